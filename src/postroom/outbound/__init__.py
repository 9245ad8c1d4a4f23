"""From accepted to settled. Read `attempt` first."""
