"""The steps by which a database got its shape; run by ``pipeline.store.upgrade``, never by hand."""
