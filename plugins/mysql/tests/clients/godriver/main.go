// Go's driver: prepared statements, transactions, errors.
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	db, err := sql.Open("mysql", fmt.Sprintf("ha:ha@tcp(127.0.0.1:%s)/ha?parseTime=true", os.Getenv("MYSQL_PORT")))
	must(err)
	must(db.Ping())
	_, err = db.Exec("CREATE TABLE g (id BIGINT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(9) UNIQUE, at DATETIME, f DOUBLE)")
	must(err)
	at := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
	done, err := db.Exec("INSERT INTO g (s, at, f) VALUES (?, ?, ?)", "é", at, 0.1)
	must(err)
	if id, _ := done.LastInsertId(); id != 1 {
		log.Fatal("id ", id)
	}
	var s string
	var back time.Time
	var f float64
	must(db.QueryRow("SELECT s, at, f FROM g WHERE id = ?", 1).Scan(&s, &back, &f))
	if s != "é" || !back.Equal(at) || f != 0.1 {
		log.Fatal(s, back, f)
	}
	tx, err := db.Begin()
	must(err)
	_, err = tx.Exec("INSERT INTO g (s) VALUES (?)", "é")
	var refusal *mysql.MySQLError
	if !errors.As(err, &refusal) || refusal.Number != 1062 {
		log.Fatal(err)
	}
	must(tx.Rollback())
	_, err = db.Exec("DROP TABLE g")
	must(err)
	fmt.Println("go: passed")
}
