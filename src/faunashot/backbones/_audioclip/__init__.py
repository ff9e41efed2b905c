"""The text that AudioCLIP reads: its tokens, and the transformer that embeds them."""
