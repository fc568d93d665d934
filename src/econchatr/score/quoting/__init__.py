"""What a text shares word for word with what the host said, and the nearest real quotation."""
