"""Who may hand mail in and look: workspaces, API keys, SMTP logins."""
