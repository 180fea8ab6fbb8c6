//! Statements of MySQL's dialect, over its protocol, on a real node.

mod support;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};
use support::{code, rows, server};

#[tokio::test]
async fn writes_tell_rows_ids_and_errors() {
    let server = server().await;
    let mut client = server.client().await;
    let create = "CREATE TABLE `users` (`id` int(11) NOT NULL AUTO_INCREMENT, `name` varchar(30) NOT NULL, \
        `age` int unsigned DEFAULT '7' COMMENT 'years', `at` datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
        PRIMARY KEY (`id`), UNIQUE KEY `name` (`name`), KEY `age` (`age`, `at`), CHECK (age < 200)) \
        ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci";
    client.query_drop(create).await.unwrap();
    assert_eq!(client.get_warnings(), 1);
    client.query_drop("INSERT INTO users (name) VALUES ('it\\'s'), (\"b\")").await.unwrap();
    assert_eq!((client.affected_rows(), client.last_insert_id()), (2, Some(1)));
    client.query_drop("INSERT users SET name = 'c', age = 3").await.unwrap();
    assert_eq!(client.last_insert_id(), Some(3));
    assert_eq!(rows(&mut client, "SELECT LAST_INSERT_ID(), ROW_COUNT()").await, ["3|1"]);
    assert_eq!(
        rows(&mut client, "SELECT name, age FROM users ORDER BY id LIMIT 1, 2").await,
        ["b|7", "c|3"]
    );
    assert_eq!(code(&mut client, "INSERT INTO users (name) VALUES ('b')").await, 1062);
    assert_eq!(code(&mut client, "INSERT INTO users (name) VALUES (NULL)").await, 1048);
    assert_eq!(code(&mut client, "INSERT INTO users (name, age) VALUES ('x', 200)").await, 3819);
    assert_eq!(code(&mut client, "SELECT nosuch FROM users").await, 1054);
    assert_eq!(code(&mut client, "SELECT * FROM nosuch").await, 1146);
    assert_eq!(code(&mut client, "SELEC 1").await, 1064);
    assert_eq!(code(&mut client, "SELECT 1; SELECT 2").await, 1064);
    assert_eq!(code(&mut client, create).await, 1050);
    assert_eq!(rows(&mut client, "SHOW WARNINGS").await[0].split('|').nth(1), Some("1050"));
    client.query_drop("INSERT IGNORE INTO users (name) VALUES ('b'), ('d')").await.unwrap();
    assert_eq!(client.affected_rows(), 1);
    let upsert = "INSERT INTO users (name, age) VALUES ('b', 5) ON DUPLICATE KEY UPDATE age = VALUES(age) + age";
    client.query_drop(upsert).await.unwrap();
    assert_eq!(rows(&mut client, "SELECT age FROM users WHERE name = 'b'").await, ["12"]);
    client.query_drop("DELETE FROM users ORDER BY id DESC LIMIT 1").await.unwrap();
    client.query_drop("TRUNCATE users").await.unwrap();
    assert_eq!(rows(&mut client, "SELECT COUNT(*) FROM users").await, ["0"]);
}

#[tokio::test]
async fn prepared_statements_keep_every_value() {
    let server = server().await;
    let mut client = server.client().await;
    client.query_drop("CREATE TABLE v (i BIGINT, d DOUBLE, s VARCHAR(9), b BLOB, t DATETIME(6), m DECIMAL(9,2), ok BOOLEAN)").await.unwrap();
    let moment = Value::Date(2024, 2, 29, 1, 2, 3, 123_456);
    let values = vec![
        Value::Int(i64::MIN),
        Value::Double(0.1),
        Value::Bytes("é".into()),
        Value::Bytes(vec![0xff, 0, 0x80]),
        moment.clone(),
        Value::Double(1.5),
        Value::Int(1),
    ];
    let insert = "INSERT INTO v VALUES (?, ?, ?, ?, ?, ?, ?)";
    client.exec_drop(insert, Params::Positional(values.clone())).await.unwrap();
    client.exec_drop(insert, Params::Positional(vec![Value::NULL; 7])).await.unwrap();
    let got: Vec<mysql_async::Row> = client
        .exec("SELECT * FROM v WHERE i = ? OR i IS NULL ORDER BY i DESC", (i64::MIN,))
        .await
        .unwrap();
    let mut expected = values;
    expected[5] = Value::Bytes(b"1.50".to_vec());
    assert_eq!(got[0].clone().unwrap(), expected);
    assert_eq!(got[1].clone().unwrap(), vec![Value::NULL; 7]);
    let long = vec![b'x'; 20 << 20];
    client.exec_drop("INSERT INTO v (b) VALUES (?)", (&long,)).await.unwrap();
    let back: Option<Vec<u8>> =
        client.query_first("SELECT b FROM v WHERE length(b) > 9").await.unwrap();
    assert!(back.unwrap() == long, "a value longer than a packet came back different");
    let error = client.exec_drop("INSERT INTO v (i) VALUES (?)", (u64::MAX,)).await.unwrap_err();
    assert!(error.to_string().contains("1264"), "{error}");
}

#[tokio::test]
async fn functions_and_session_facts_answer_as_in_mysql() {
    let server = server().await;
    let mut client = server.client().await;
    let one = async |client: &mut _, sql: &str| rows(client, sql).await.join(";");
    let id = client.id().to_string();
    assert_eq!(one(&mut client, "SELECT CONNECTION_ID()").await, id);
    assert!(one(&mut client, "SELECT VERSION()").await.starts_with("8.0."));
    assert_eq!(one(&mut client, "SELECT DATABASE(), USER()").await, "ha|ha@127.0.0.1");
    assert_eq!(
        one(&mut client, "SELECT @@sql_mode, @@session.autocommit, @x").await,
        "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION|1|NULL"
    );
    client
        .query_drop("SET @x = 'a' /*!40101 , SESSION sql_mode = 'TRADITIONAL' */, NAMES = 1")
        .await
        .unwrap_err();
    client
        .query_drop("SET @x = CONCAT('a', 1) /*!40101 , SESSION sql_mode = 'TRADITIONAL' */")
        .await
        .unwrap();
    assert_eq!(one(&mut client, "SELECT @x, @@sql_mode").await, "a1|TRADITIONAL");
    assert_eq!(code(&mut client, "SELECT @@nosuch").await, 1193);
    let facts = [
        ("CONCAT('a', NULL)", "NULL"),
        ("IF(1 > 2, 'a', 'b')", "b"),
        ("1 / 2", "0.5"),
        ("7 DIV 2", "3"),
        ("LOCATE('b', 'abc')", "2"),
        ("GREATEST(1, 3, 2)", "3"),
        ("LENGTH('é')", "2"),
        ("CHAR_LENGTH('é')", "1"),
        ("LEFT('abc', 2)", "ab"),
        ("RIGHT('abc', 2)", "bc"),
        ("UNIX_TIMESTAMP('1970-01-02')", "86400"),
        ("DATE_FORMAT('2024-02-29 01:02:03', '%Y/%m/%d %H:%i:%s')", "2024/02/29 01:02:03"),
        ("DATE_ADD('2024-02-28', INTERVAL 2 DAY)", "2024-03-01"),
        ("DATE_ADD('2024-02-28', INTERVAL 2 HOUR)", "2024-02-28 02:00:00"),
        ("'2024-01-31 10:00:00' + INTERVAL 1 MONTH", "2024-02-29 10:00:00"),
        ("DATE_SUB(DATE_ADD('2024-01-30', INTERVAL 1 DAY), INTERVAL 1 YEAR)", "2023-01-31"),
        ("CURDATE() - INTERVAL 1 DAY < CURDATE()", "1"),
        ("LENGTH(CURDATE() - INTERVAL 1 DAY)", "10"),
        ("DATE_FORMAT('2024-02-09 04:02:03', '%e.%m %k:%i')", "9.02 4:02"),
        ("YEAR('2024-02-29')", "2024"),
        ("'a%' LIKE 'a\\%'", "1"),
        ("'ab' LIKE 'a\\%'", "0"),
        ("NULL <=> NULL", "1"),
        ("1 || 0", "1"),
        ("!0 = 5", "0"),
        ("CONCAT(1 + 1, 'a')", "2a"),
        ("'a' 'b'", "ab"),
        ("0b101 + 0", "5"),
        ("2*/*c*/3", "6"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("CAST('12' AS SIGNED) + 1", "13"),
        ("0x4142", "AB"),
        ("CONVERT('a' USING utf8mb4)", "a"),
    ];
    for (sql, expected) in facts {
        assert_eq!(one(&mut client, &format!("SELECT {sql}")).await, expected, "{sql}");
    }
    let row: mysql_async::Row =
        client.query_first("SELECT COUNT(*), 1+1, 'x', NOW() AS n").await.unwrap().unwrap();
    let names: Vec<_> =
        row.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
    assert_eq!(names, ["COUNT(*)", "1+1", "x", "n"]);
}

#[tokio::test]
async fn the_schema_is_changed_and_shown_in_mysql_s_words() {
    let server = server().await;
    let mut client = server.client().await;
    for sql in [
        "CREATE TABLE p (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, code CHAR(2) UNIQUE)",
        "CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, p BIGINT UNSIGNED, note VARCHAR(20) DEFAULT 'it''s')",
        "ALTER TABLE c ADD CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE, ADD INDEX note_i (note(10))",
        "INSERT INTO p VALUES (1, 'aa')",
        "INSERT INTO c (p) VALUES (1)",
        "ALTER TABLE c MODIFY note VARCHAR(50) NOT NULL DEFAULT 'x', ADD COLUMN more TEXT AFTER id",
        "ALTER TABLE c CHANGE more extra JSON",
        "CREATE VIEW w AS SELECT id FROM p",
    ] {
        client.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    assert_eq!(code(&mut client, "INSERT INTO c (p) VALUES (2)").await, 1452);
    client.query_drop("CREATE TABLE k (p BIGINT REFERENCES p (id))").await.unwrap();
    client.query_drop("INSERT INTO k VALUES (1)").await.unwrap();
    assert_eq!(code(&mut client, "DELETE FROM p").await, 1451);
    client.query_drop("DROP TABLE k").await.unwrap();
    assert_eq!(code(&mut client, "ALTER TABLE p MODIFY code CHAR(3)").await, 1235);
    assert_eq!(rows(&mut client, "SHOW TABLES").await, ["c", "p", "w"]);
    assert_eq!(rows(&mut client, "SHOW FULL TABLES LIKE 'w'").await, ["w|VIEW"]);
    let columns = rows(&mut client, "DESCRIBE c").await;
    assert_eq!(
        columns,
        [
            "id|bigint|NO|PRI|NULL|auto_increment",
            "p|bigint unsigned|YES||NULL|",
            "note|varchar(50)|NO|MUL|x|",
            "extra|json|YES||NULL|"
        ]
    );
    let create = rows(&mut client, "SHOW CREATE TABLE `c`").await.join("");
    assert!(create.contains("`id` bigint NOT NULL AUTO_INCREMENT,\n"), "{create}");
    assert!(create.contains("PRIMARY KEY (`id`),\n  KEY `note_i` (`note`),\n"), "{create}");
    assert!(
        create.contains("FOREIGN KEY (`p`) REFERENCES `p` (`id`) ON DELETE CASCADE\n"),
        "{create}"
    );
    let keys = "SELECT COLUMN_NAME, REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'c' AND REFERENCED_TABLE_NAME IS NOT NULL";
    assert_eq!(rows(&mut client, keys).await, ["p|p"]);
    let count = "SELECT COUNT(*) FROM information_schema.columns c JOIN information_schema.tables t \
        ON t.table_name = c.table_name WHERE c.table_schema = 'ha'";
    assert_eq!(rows(&mut client, count).await, ["7"]);
    for view in [
        "schemata",
        "statistics",
        "referential_constraints",
        "table_constraints",
        "views",
        "routines",
        "engines",
        "character_sets",
        "collations",
        "triggers",
    ] {
        rows(&mut client, &format!("SELECT * FROM information_schema.{view}")).await;
    }
    for show in [
        "DATABASES",
        "INDEX FROM c",
        "KEYS FROM c",
        "VARIABLES LIKE 'ver%'",
        "STATUS",
        "ENGINES",
        "COLLATION",
        "CHARSET",
        "CHARACTER SET",
        "TABLE STATUS",
        "FULL COLUMNS FROM c",
        "TRIGGERS",
        "CREATE VIEW w",
    ] {
        rows(&mut client, &format!("SHOW {show}")).await;
    }
    client.query_drop("DROP INDEX note_i ON c").await.unwrap();
    client.query_drop("ALTER TABLE c DROP FOREIGN KEY c_p, RENAME TO d").await.unwrap();
    client.query_drop("DROP VIEW w").await.unwrap();
    client.query_drop("DROP TABLE IF EXISTS d, p, nosuch").await.unwrap();
    assert!(rows(&mut client, "SHOW TABLES").await.is_empty());
}
