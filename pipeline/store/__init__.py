"""The database of people and deliveries: its tables, their migrations, and how it is opened.

Which rows are read and written is not here: queries live in the room that asks them.
"""
