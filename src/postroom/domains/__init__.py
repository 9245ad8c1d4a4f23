"""The DNS domains that workspaces send from: proof, keys, records, hosts."""
