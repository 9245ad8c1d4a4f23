"""What the demo will do, told before it does; imports nothing, so that the command starts at once."""

NAME = "demo"
DAYS = 14

PLAN = (
    f"Makes the workspace `{NAME}` (transport: sandbox) with some 320 made-up messages of the last {DAYS} days: "
    "deliveries, deferrals, failures, opens, clicks, unsubscribes, suppressions, and what comes back: bounces, "
    "replies, complaints; and watched mailboxes of made-up people, with mail and tracers. Nothing leaves this machine."
)
