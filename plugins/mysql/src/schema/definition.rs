//! SHOW CREATE TABLE, in the form that tools of MySQL read.

use ha_core::Value;

use super::view;
use crate::backend::Backend;
use crate::dialect::literal;
use crate::error::{Failure, Outcome};

/// A table's definition: 'TABLE' or 'VIEW', and the statement.
pub(crate) async fn of(backend: &mut Backend, table: &str) -> Outcome<(bool, String)> {
    let sql = format!(
        "SELECT type, sql FROM sqlite_schema WHERE name = {} AND type IN ('table', 'view')",
        literal(table)
    );
    let found = backend.query(sql).await?;
    let Some([kind, sql]) = found.rows.first().map(Vec::as_slice) else {
        let text = format!("Table '{}.{table}' doesn't exist", backend.scope.database);
        return Err(Failure::new(1146, "42S02", text));
    };
    if text(kind) == "view" {
        return Ok((true, text(sql)));
    }
    let mut parts = columns(backend, table).await?;
    parts.extend(keys(backend, table).await?);
    parts.extend(foreign_keys(backend, table).await?);
    let body = parts.join(",\n  ");
    let options = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
    Ok((false, format!("CREATE TABLE {} (\n  {body}\n) {options}", name(table))))
}

async fn columns(backend: &mut Backend, table: &str) -> Outcome<Vec<String>> {
    let view = view("columns", &backend.scope)?;
    let sql = format!(
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA FROM ({view}) \
         WHERE TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
        literal(table)
    );
    let rows = backend.query(sql).await?.rows;
    Ok(rows.iter().map(|row| column(row)).collect())
}

fn column(row: &[Value]) -> String {
    let [column, kind, nullable, default, extra] = row else { return String::new() };
    let mut sql = format!("{} {}", name(&text(column)), text(kind));
    let counts = text(extra) == "auto_increment";
    let nullable = text(nullable) == "YES";
    if !nullable {
        sql.push_str(" NOT NULL");
    }
    if counts {
        sql.push_str(" AUTO_INCREMENT");
        return sql;
    }
    match (default, nullable) {
        (Value::Null, false) => {}
        (Value::Null, true) => sql.push_str(" DEFAULT NULL"),
        (value, _) if text(value).eq_ignore_ascii_case("CURRENT_TIMESTAMP") => {
            sql.push_str(" DEFAULT CURRENT_TIMESTAMP");
        }
        (value, _) => sql.push_str(&format!(" DEFAULT {}", literal(&text(value)))),
    }
    sql
}

async fn keys(backend: &mut Backend, table: &str) -> Outcome<Vec<String>> {
    let view = view("statistics", &backend.scope)?;
    let sql = format!(
        "SELECT INDEX_NAME, NON_UNIQUE, group_concat('`' || replace(COLUMN_NAME, '`', '``') || '`', ',' ORDER BY SEQ_IN_INDEX) \
         FROM ({view}) WHERE TABLE_NAME = {} GROUP BY 1, 2 ORDER BY INDEX_NAME <> 'PRIMARY', 2, 1",
        literal(table)
    );
    let key = |row: &Vec<Value>| match text(&row[0]) {
        key if key == "PRIMARY" => format!("PRIMARY KEY ({})", text(&row[2])),
        key if row[1] == Value::Integer(0) => {
            format!("UNIQUE KEY {} ({})", name(&key), text(&row[2]))
        }
        key => format!("KEY {} ({})", name(&key), text(&row[2])),
    };
    Ok(backend.query(sql).await?.rows.iter().map(key).collect())
}

async fn foreign_keys(backend: &mut Backend, table: &str) -> Outcome<Vec<String>> {
    let view = view("key_column_usage", &backend.scope)?;
    let rules = super::view("referential_constraints", &backend.scope)?;
    let list = |column: &str| {
        format!(
            "group_concat('`' || replace(k.{column}, '`', '``') || '`', ', ' ORDER BY k.ORDINAL_POSITION)"
        )
    };
    let sql = format!(
        "SELECT k.CONSTRAINT_NAME, {}, k.REFERENCED_TABLE_NAME, {}, r.DELETE_RULE, r.UPDATE_RULE FROM ({view}) k \
         JOIN ({rules}) r ON r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME \
         WHERE k.TABLE_NAME = {} AND k.REFERENCED_TABLE_NAME IS NOT NULL GROUP BY 1 ORDER BY 1",
        list("COLUMN_NAME"),
        list("REFERENCED_COLUMN_NAME"),
        literal(table)
    );
    let rule = |event: &str, rule: &Value| match text(rule) {
        rule if rule == "NO ACTION" => String::new(),
        rule => format!(" ON {event} {rule}"),
    };
    let key = |row: &Vec<Value>| {
        format!(
            "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){}{}",
            name(&text(&row[0])),
            text(&row[1]),
            name(&text(&row[2])),
            text(&row[3]),
            rule("DELETE", &row[4]),
            rule("UPDATE", &row[5])
        )
    };
    Ok(backend.query(sql).await?.rows.iter().map(key).collect())
}

fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A value of the catalog as text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => real.to_string(),
        Value::Null | Value::RawText(_) | Value::Blob(_) => String::new(),
    }
}
