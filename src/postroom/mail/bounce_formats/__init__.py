"""How bounces name the recipients that they are about: reports for programs, and the texts that mail servers write."""
