"""SuperIMAP's API at its own paths, and the pages on which people connect their mailboxes."""
