"""PyMySQL: values, transactions, errors."""

import datetime
import decimal
import os

import pymysql

db = pymysql.connect(host="127.0.0.1", port=int(os.environ["MYSQL_PORT"]), user="ha", password="ha", database="ha")
cursor = db.cursor()
cursor.execute(
    "CREATE TABLE py (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(20) UNIQUE, b BLOB, d DECIMAL(6,2),"
    " at DATETIME(6), ok TINYINT(1), x DOUBLE)"
)
at = datetime.datetime(2024, 2, 29, 1, 2, 3, 456)
row = ("it's \\ \"é\" 100%", b"\x00\xff'\\\n", decimal.Decimal("12.50"), at, 1, 0.1)
cursor.execute("INSERT INTO py (t, b, d, at, ok, x) VALUES (%s, %s, %s, %s, %s, %s)", row)
assert cursor.lastrowid == 1
cursor.execute("SELECT t, b, d, at, ok, x FROM py")
assert cursor.fetchone() == row, cursor.fetchone()
db.rollback()
cursor.execute("SELECT COUNT(*) FROM py")
assert cursor.fetchone() == (0,)
cursor.executemany("INSERT INTO py (t) VALUES (%s)", [("a",), ("b",)])
db.commit()
try:
    cursor.execute("INSERT INTO py (t) VALUES ('a')")
    raise AssertionError("a duplicate was taken")
except pymysql.err.IntegrityError as error:
    assert error.args[0] == 1062
db.rollback()
cursor.execute("SELECT t FROM py WHERE t LIKE %s ORDER BY t", ("%",))
assert [t for (t,) in cursor.fetchall()] == ["a", "b"]
cursor.execute("DROP TABLE py")
db.ping()
db.close()
print("pymysql: passed")
