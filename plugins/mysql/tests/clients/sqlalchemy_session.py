"""SQLAlchemy: create_all, an ORM session, reflection."""

import datetime
import os

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.mysql import insert

engine = sa.create_engine(f"mysql+pymysql://ha:ha@127.0.0.1:{os.environ['MYSQL_PORT']}/ha?charset=utf8mb4")


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(30), unique=True)
    born: orm.Mapped[datetime.date | None]
    books: orm.Mapped[list["Book"]] = orm.relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    title: orm.Mapped[str] = orm.mapped_column(sa.String(50), index=True)
    price: orm.Mapped[float] = orm.mapped_column(sa.Numeric(8, 2))
    sold: orm.Mapped[bool] = orm.mapped_column(default=False)
    meta: orm.Mapped[dict | None] = orm.mapped_column(sa.JSON)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id", ondelete="CASCADE"))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


Base.metadata.create_all(engine)
Base.metadata.create_all(engine)
with orm.Session(engine) as session:
    session.add(Author(name="Ann", born=datetime.date(1990, 1, 2), books=[Book(title="A", price=9.5, meta={"k": [1]})]))
    session.commit()
    session.add(Author(name="Ann"))
    try:
        session.commit()
        raise AssertionError("a duplicate was taken")
    except sa.exc.IntegrityError:
        session.rollback()
    book = session.scalars(sa.select(Book).join(Author).where(Author.name == "Ann", Book.title.like("A%"))).one()
    assert (str(book.price), book.meta, book.sold, book.author.born.year) == ("9.50", {"k": [1]}, False, 1990)
    upsert = insert(Author).values(name="Ann", born=datetime.date(2000, 1, 1))
    session.execute(upsert.on_duplicate_key_update(born=upsert.inserted.born))
    session.commit()
    assert session.scalars(sa.select(Author.born)).one().year == 2000
    session.delete(book.author)
    session.commit()
    assert session.scalar(sa.select(sa.func.count()).select_from(Book)) == 0

reflected = sa.MetaData()
reflected.reflect(engine)
book = reflected.tables["book"]
assert isinstance(book.c.title.type, sa.String) and book.c.title.type.length == 50
assert isinstance(book.c.price.type, sa.Numeric) and book.c.price.type.scale == 2
assert [key.column.table.name for key in book.c.author_id.foreign_keys] == ["author"]
assert [index.name for index in book.indexes] == ["ix_book_title"]
inspector = sa.inspect(engine)
assert inspector.has_table("author") and not inspector.has_table("nosuch")
assert inspector.get_pk_constraint("author")["constrained_columns"] == ["id"]
assert inspector.get_schema_names()
Base.metadata.drop_all(engine)
print("sqlalchemy: passed")
