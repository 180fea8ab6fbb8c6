//! What a person at the client `mysql` sees.

mod support;

use support::server;

#[tokio::test]
async fn a_session_of_the_command_line_client() {
    let server = server().await;
    let script = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(9), raw BLOB, x DOUBLE, d DECIMAL(5,1));
        INSERT INTO t (name, raw, x, d) VALUES ('a', 0x4142, 1.0, 2), (NULL, NULL, 1e300, NULL);
        SELECT * FROM t; SHOW TABLES; USE ha; SELECT DATABASE(); DROP TABLE t;";
    let (out, error) = server.mysql(&["--batch"], script).await;
    let expected = "id\tname\traw\tx\td\n1\ta\tAB\t1\t2.0\n2\tNULL\tNULL\t1e300\tNULL\n\
                    Tables_in_ha\nt\nDATABASE()\nha\n";
    assert_eq!((out.as_str(), error.as_str()), (expected, ""));
    let (_, error) = server.mysql(&[], "SELECT * FROM nosuch").await;
    assert!(error.contains("ERROR 1146 (42S02)"), "{error}");
    let (out, error) = server.mysql(&["-t"], "status; SHOW VARIABLES LIKE 'version'").await;
    assert!(out.contains("8.0.36-ha") && error.is_empty(), "{out}{error}");
}

#[tokio::test]
async fn clients_that_know_only_the_old_way_of_logging_in_get_in() {
    let server = server().await;
    let (out, error) =
        server.mysql(&["--default-auth=mysql_native_password", "-N"], "SELECT 1").await;
    assert_eq!((out.as_str(), error.as_str()), ("1\n", ""));
}
