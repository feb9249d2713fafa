"""The diagrams of the pages, one module a topic, drawn from the objects that the page is about."""
