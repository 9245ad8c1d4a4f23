"""What people and programs write, in many languages: words and phrases only, in lower case."""
