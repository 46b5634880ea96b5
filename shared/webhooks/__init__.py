"""What a webhook is: its events, its endpoints, its body and its signatures. Nothing here calls anybody."""
