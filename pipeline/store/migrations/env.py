"""What Alembic runs around the steps: on the connection that ``upgrade`` hands in."""

from alembic import context

from pipeline.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
    transactional_ddl=True,  # SQLite too: the engine begins each transaction itself
)
with context.begin_transaction():
    context.run_migrations()
