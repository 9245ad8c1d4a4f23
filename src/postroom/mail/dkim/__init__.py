"""DKIM signing on bytes (RFC 6376, RFC 8463): canonicalization, signature fields, key records. No keys, no clock."""
