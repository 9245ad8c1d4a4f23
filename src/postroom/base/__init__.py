"""What every floor stands on: clock, ids, tokens, secrets, errors, logs."""
