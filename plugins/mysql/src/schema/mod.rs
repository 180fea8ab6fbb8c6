//! The catalog as MySQL shows it.

pub(crate) mod definition;
pub(crate) mod rebuild;
mod views;

use crate::dialect::{Scope, What, literal};
use crate::error::{Failure, Outcome};

/// The query that `information_schema.name` stands for.
pub(crate) fn view(name: &str, scope: &Scope) -> Outcome<String> {
    views::query(name, &literal(&scope.database)).ok_or_else(|| {
        let text = format!("Unknown table '{name}' in information_schema");
        Failure::new(1109, "42S02", text)
    })
}

/// The query that answers a SHOW, and its first column, which LIKE compares. `None` if a query
/// does not answer it.
pub(crate) fn show(what: &What, scope: &Scope) -> Outcome<Option<(String, String)>> {
    let view = |name: &str| view(name, scope);
    let (first, sql) = match what {
        What::Tables { full } => {
            let first = format!("Tables_in_{}", scope.database);
            let kind = if *full { ", TABLE_TYPE AS Table_type" } else { "" };
            let name = crate::dialect::quoted(&first);
            let sql =
                format!("SELECT TABLE_NAME AS {name}{kind} FROM ({}) ORDER BY 1", view("tables")?);
            return Ok(Some((first, sql)));
        }
        What::Columns { full, table } => {
            let (collation, rest) = if *full {
                (
                    "COLLATION_NAME AS Collation, ",
                    ", PRIVILEGES AS Privileges, COLUMN_COMMENT AS Comment",
                )
            } else {
                ("", "")
            };
            let sql = format!(
                "SELECT COLUMN_NAME AS Field, COLUMN_TYPE AS Type, {collation}IS_NULLABLE AS [Null], \
                 COLUMN_KEY AS [Key], COLUMN_DEFAULT AS [Default], EXTRA AS Extra{rest} FROM ({}) \
                 WHERE TABLE_NAME = {} COLLATE NOCASE ORDER BY ORDINAL_POSITION",
                view("columns")?,
                literal(table)
            );
            ("Field", sql)
        }
        What::Index(table) => {
            let sql = format!(
                "SELECT TABLE_NAME AS [Table], NON_UNIQUE AS Non_unique, INDEX_NAME AS Key_name, \
                 SEQ_IN_INDEX AS Seq_in_index, COLUMN_NAME AS Column_name, COLLATION AS Collation, \
                 CARDINALITY AS Cardinality, SUB_PART AS Sub_part, PACKED AS Packed, NULLABLE AS [Null], \
                 INDEX_TYPE AS Index_type, COMMENT AS Comment, INDEX_COMMENT AS Index_comment, \
                 IS_VISIBLE AS Visible, EXPRESSION AS Expression FROM ({}) WHERE TABLE_NAME = {} \
                 ORDER BY Key_name <> 'PRIMARY', Non_unique, Key_name, Seq_in_index",
                view("statistics")?,
                literal(table)
            );
            ("Table", sql)
        }
        What::Databases => (
            "Database",
            format!("SELECT SCHEMA_NAME AS [Database] FROM ({}) ORDER BY 1", view("schemata")?),
        ),
        What::TableStatus => ("Name", table_status(&view("tables")?)),
        What::Variables => ("Variable_name", variables(scope)),
        What::Engines => (
            "Engine",
            format!(
                "SELECT ENGINE AS Engine, SUPPORT AS Support, COMMENT AS Comment, TRANSACTIONS AS Transactions, XA, SAVEPOINTS AS Savepoints FROM ({})",
                view("engines")?
            ),
        ),
        What::Collations => (
            "Collation",
            format!(
                "SELECT COLLATION_NAME AS Collation, CHARACTER_SET_NAME AS Charset, ID AS Id, IS_DEFAULT AS [Default], IS_COMPILED AS Compiled, SORTLEN AS Sortlen FROM ({})",
                view("collations")?
            ),
        ),
        What::Charsets => (
            "Charset",
            format!(
                "SELECT CHARACTER_SET_NAME AS Charset, DESCRIPTION AS Description, DEFAULT_COLLATE_NAME AS [Default collation], MAXLEN AS Maxlen FROM ({})",
                view("character_sets")?
            ),
        ),
        What::Triggers => (
            "Trigger",
            format!(
                "SELECT TRIGGER_NAME AS [Trigger], EVENT_OBJECT_TABLE AS [Table], ACTION_STATEMENT AS Statement FROM ({})",
                view("triggers")?
            ),
        ),
        What::CreateDatabase(name) => {
            let text =
                format!("CREATE DATABASE `{name}` /*!40100 DEFAULT CHARACTER SET utf8mb4 */");
            let sql = format!(
                "SELECT {} AS [Database], {} AS [Create Database]",
                literal(name),
                literal(&text)
            );
            ("Database", sql)
        }
        What::Empty(columns) => {
            let list: Vec<_> = columns.iter().map(|name| format!("'' AS [{name}]")).collect();
            (columns[0], format!("SELECT {} WHERE false", list.join(", ")))
        }
        What::CreateTable(_) | What::Warnings => return Ok(None),
    };
    Ok(Some((first.to_owned(), sql)))
}

fn table_status(tables: &str) -> String {
    format!(
        "SELECT TABLE_NAME AS Name, ENGINE AS Engine, VERSION AS Version, ROW_FORMAT AS Row_format, \
         TABLE_ROWS AS [Rows], AVG_ROW_LENGTH AS Avg_row_length, DATA_LENGTH AS Data_length, \
         MAX_DATA_LENGTH AS Max_data_length, INDEX_LENGTH AS Index_length, DATA_FREE AS Data_free, \
         AUTO_INCREMENT AS Auto_increment, CREATE_TIME AS Create_time, UPDATE_TIME AS Update_time, \
         CHECK_TIME AS Check_time, TABLE_COLLATION AS Collation, CHECKSUM AS Checksum, \
         CREATE_OPTIONS AS Create_options, TABLE_COMMENT AS Comment FROM ({tables}) ORDER BY 1"
    )
}

fn variables(scope: &Scope) -> String {
    let row = |(name, value): (&str, &str)| format!("({}, {value})", literal(name));
    let rows: Vec<_> = scope.variables.all().map(row).collect();
    let rows = rows.join(", ");
    format!("SELECT column1 AS Variable_name, CAST(column2 AS TEXT) AS Value FROM (VALUES {rows})")
}
