"""Labelling by ear: what is asked, the page that asks it, and the corpus that answers go into."""
