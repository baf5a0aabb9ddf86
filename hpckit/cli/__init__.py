"""The commands of the prompt. This is the only code that prints or exits."""
