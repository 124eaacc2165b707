"""From a validated issue to an edition: MJML, inlined HTML, plain text and the web page.

All core: values in, values out. It has never heard of a subscriber, and reads no file: the
templates come with the blocks, the images as facts.
"""
