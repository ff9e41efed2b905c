"""What protocols share: the task, tables of scores, and what is measured beside them."""
