"""`postroom stress`: a misbehaving IMAP server, running nodes, and a verdict on what they told."""
