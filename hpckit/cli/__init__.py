"""What is typed at the prompt. The only code that prints or exits."""
