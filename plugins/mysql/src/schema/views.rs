//! information_schema as queries over SQLite's own catalog. `{db}` stands for the database's
//! name (<https://dev.mysql.com/doc/refman/8.0/en/information-schema.html>).

/// The tables and views of clients.
const RELATIONS: &str = r"(SELECT name, type, sql FROM sqlite_schema WHERE type IN ('table', 'view')
    AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_ha\_%' ESCAPE '\')";

/// Columns with their types as MySQL would call them.
const TYPED: &str = r"(SELECT r.name AS tbl, r.type AS kind, c.cid, c.name, c.dflt_value, c.pk, c.hidden,
    (c.pk = 1 AND upper(c.type) = 'INTEGER' AND r.sql NOT LIKE '%WITHOUT ROWID%'
        AND (SELECT count(*) FROM pragma_table_info(r.name) WHERE pk > 0) = 1) AS counts,
    (c.pk > 0 OR c.[notnull]) AS filled,
    CASE lower(c.type) WHEN 'integer' THEN 'bigint' WHEN 'boolean' THEN 'tinyint(1)' WHEN 'bool' THEN 'tinyint(1)'
        WHEN 'real' THEN 'double' WHEN 'numeric' THEN 'decimal(10,0)' WHEN '' THEN 'longblob'
        WHEN 'varchar' THEN 'varchar(255)' ELSE replace(replace(lower(c.type), ', ', ','), ' , ', ',') END AS full
    FROM {relations} r JOIN pragma_table_xinfo(r.name) c WHERE c.hidden <> 1)";

const COLUMNS: &str = r"SELECT 'def' AS TABLE_CATALOG, {db} AS TABLE_SCHEMA, c.tbl AS TABLE_NAME, c.name AS COLUMN_NAME,
    c.cid + 1 AS ORDINAL_POSITION,
    CASE WHEN c.dflt_value LIKE '''%' THEN replace(substr(c.dflt_value, 2, length(c.dflt_value) - 2), '''''', '''')
        WHEN upper(c.dflt_value) = 'NULL' THEN NULL ELSE c.dflt_value END AS COLUMN_DEFAULT,
    iif(c.filled, 'NO', 'YES') AS IS_NULLABLE, c.base AS DATA_TYPE,
    CASE WHEN c.base LIKE '%char' AND c.size <> '' THEN CAST(c.size AS INTEGER)
        WHEN c.base LIKE '%text' THEN 65535 WHEN c.base LIKE '%blob' THEN 65535 END AS CHARACTER_MAXIMUM_LENGTH,
    CASE WHEN c.base LIKE '%char' AND c.size <> '' THEN 4 * CAST(c.size AS INTEGER)
        WHEN c.base LIKE '%text' THEN 65535 WHEN c.base LIKE '%blob' THEN 65535 END AS CHARACTER_OCTET_LENGTH,
    CASE WHEN c.base = 'decimal' THEN CAST(c.size AS INTEGER) WHEN c.base = 'tinyint' THEN 3 WHEN c.base = 'smallint' THEN 5
        WHEN c.base = 'bigint' THEN 19 WHEN c.base LIKE '%int' THEN 10 WHEN c.base = 'double' THEN 22 END AS NUMERIC_PRECISION,
    CASE WHEN c.base = 'decimal' THEN CAST(substr(c.size, instr(c.size || ',', ',') + 1) AS INTEGER)
        WHEN c.base LIKE '%int' THEN 0 END AS NUMERIC_SCALE,
    CASE WHEN c.base IN ('datetime', 'timestamp', 'time') THEN CAST(c.size AS INTEGER) END AS DATETIME_PRECISION,
    iif(c.base LIKE '%char' OR c.base LIKE '%text', 'utf8mb4', NULL) AS CHARACTER_SET_NAME,
    iif(c.base LIKE '%char' OR c.base LIKE '%text', 'utf8mb4_bin', NULL) AS COLLATION_NAME,
    c.full AS COLUMN_TYPE,
    CASE WHEN c.pk > 0 THEN 'PRI'
        WHEN EXISTS (SELECT 1 FROM pragma_index_list(c.tbl) l JOIN pragma_index_info(l.name) i WHERE l.[unique]
            AND i.name = c.name AND (SELECT count(*) FROM pragma_index_info(l.name)) = 1) THEN 'UNI'
        WHEN EXISTS (SELECT 1 FROM pragma_index_list(c.tbl) l JOIN pragma_index_info(l.name) i
            WHERE i.name = c.name AND i.seqno = 0) THEN 'MUL' ELSE '' END AS COLUMN_KEY,
    CASE WHEN c.counts THEN 'auto_increment' WHEN c.hidden = 2 THEN 'VIRTUAL GENERATED'
        WHEN c.hidden = 3 THEN 'STORED GENERATED' ELSE '' END AS EXTRA,
    'select,insert,update,references' AS PRIVILEGES, '' AS COLUMN_COMMENT, '' AS GENERATION_EXPRESSION, NULL AS SRS_ID
    FROM (SELECT *, CASE WHEN full LIKE '%(%' THEN substr(full, 1, instr(full, '(') - 1)
            ELSE replace(full, ' unsigned', '') END AS base,
        CASE WHEN full LIKE '%(%' THEN rtrim(substr(full, instr(full, '(') + 1), ') unsigned') ELSE '' END AS size
        FROM {typed}) c";

const TABLES: &str = "SELECT 'def' AS TABLE_CATALOG, {db} AS TABLE_SCHEMA, name AS TABLE_NAME,
    iif(type = 'view', 'VIEW', 'BASE TABLE') AS TABLE_TYPE, iif(type = 'view', NULL, 'InnoDB') AS ENGINE,
    10 AS VERSION, 'Dynamic' AS ROW_FORMAT, 0 AS TABLE_ROWS, 0 AS AVG_ROW_LENGTH, 0 AS DATA_LENGTH,
    0 AS MAX_DATA_LENGTH, 0 AS INDEX_LENGTH, 0 AS DATA_FREE, NULL AS AUTO_INCREMENT, NULL AS CREATE_TIME,
    NULL AS UPDATE_TIME, NULL AS CHECK_TIME, iif(type = 'view', NULL, 'utf8mb4_bin') AS TABLE_COLLATION,
    NULL AS CHECKSUM, '' AS CREATE_OPTIONS, iif(type = 'view', 'VIEW', '') AS TABLE_COMMENT FROM {relations}";

/// What MySQL calls the index `l` of table `r`.
const INDEX_NAME: &str = r"CASE WHEN l.name LIKE 'sqlite\_autoindex\_%' ESCAPE '\'
        THEN (SELECT name FROM pragma_index_info(l.name) WHERE seqno = 0)
    WHEN substr(l.name, 1, length(r.name) + 1) = r.name || '.' THEN substr(l.name, length(r.name) + 2) ELSE l.name END";

const STATISTICS: &str = "SELECT 'def' AS TABLE_CATALOG, {db} AS TABLE_SCHEMA, tbl AS TABLE_NAME, non_unique AS NON_UNIQUE,
    {db} AS INDEX_SCHEMA, idx AS INDEX_NAME, seq AS SEQ_IN_INDEX, col AS COLUMN_NAME, 'A' AS COLLATION,
    0 AS CARDINALITY, NULL AS SUB_PART, NULL AS PACKED, '' AS NULLABLE, 'BTREE' AS INDEX_TYPE, '' AS COMMENT,
    '' AS INDEX_COMMENT, 'YES' AS IS_VISIBLE, NULL AS EXPRESSION FROM (
        SELECT r.name AS tbl, 0 AS non_unique, 'PRIMARY' AS idx, c.pk AS seq, c.name AS col
            FROM {relations} r JOIN pragma_table_info(r.name) c WHERE c.pk > 0
        UNION ALL SELECT r.name, NOT l.[unique], {index_name}, i.seqno + 1, i.name
            FROM {relations} r JOIN pragma_index_list(r.name) l JOIN pragma_index_info(l.name) i WHERE l.origin <> 'pk')";

/// What MySQL calls a foreign key that has no name of its own.
const FK_NAME: &str = "(r.name || '_ibfk_' || (f.id + 1))";

const KEY_COLUMN_USAGE: &str = "SELECT 'def' AS CONSTRAINT_CATALOG, {db} AS CONSTRAINT_SCHEMA, key AS CONSTRAINT_NAME,
    'def' AS TABLE_CATALOG, {db} AS TABLE_SCHEMA, tbl AS TABLE_NAME, col AS COLUMN_NAME, seq AS ORDINAL_POSITION,
    iif(ref IS NULL, NULL, seq) AS POSITION_IN_UNIQUE_CONSTRAINT, iif(ref IS NULL, NULL, {db}) AS REFERENCED_TABLE_SCHEMA,
    ref AS REFERENCED_TABLE_NAME, ref_col AS REFERENCED_COLUMN_NAME FROM (
        SELECT TABLE_NAME AS tbl, INDEX_NAME AS key, COLUMN_NAME AS col, SEQ_IN_INDEX AS seq, NULL AS ref, NULL AS ref_col
            FROM ({statistics}) WHERE NOT NON_UNIQUE
        UNION ALL SELECT r.name, {fk_name}, f.[from], f.seq + 1, f.[table], coalesce(f.[to],
                (SELECT name FROM pragma_table_info(f.[table]) WHERE pk = f.seq + 1))
            FROM {relations} r JOIN pragma_foreign_key_list(r.name) f)";

const REFERENTIAL_CONSTRAINTS: &str = "SELECT 'def' AS CONSTRAINT_CATALOG, {db} AS CONSTRAINT_SCHEMA,
    {fk_name} AS CONSTRAINT_NAME, 'def' AS UNIQUE_CONSTRAINT_CATALOG, {db} AS UNIQUE_CONSTRAINT_SCHEMA,
    'PRIMARY' AS UNIQUE_CONSTRAINT_NAME, 'NONE' AS MATCH_OPTION, f.on_update AS UPDATE_RULE, f.on_delete AS DELETE_RULE,
    r.name AS TABLE_NAME, f.[table] AS REFERENCED_TABLE_NAME
    FROM {relations} r JOIN pragma_foreign_key_list(r.name) f WHERE f.seq = 0";

const TABLE_CONSTRAINTS: &str = "SELECT DISTINCT 'def' AS CONSTRAINT_CATALOG, {db} AS CONSTRAINT_SCHEMA, CONSTRAINT_NAME,
    {db} AS TABLE_SCHEMA, TABLE_NAME, CASE WHEN REFERENCED_TABLE_NAME IS NOT NULL THEN 'FOREIGN KEY'
        WHEN CONSTRAINT_NAME = 'PRIMARY' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END AS CONSTRAINT_TYPE, 'YES' AS ENFORCED
    FROM ({key_column_usage})";

const VIEWS: &str = "SELECT 'def' AS TABLE_CATALOG, {db} AS TABLE_SCHEMA, name AS TABLE_NAME, sql AS VIEW_DEFINITION,
    'NONE' AS CHECK_OPTION, 'NO' AS IS_UPDATABLE, '' AS DEFINER, 'DEFINER' AS SECURITY_TYPE,
    'utf8mb4' AS CHARACTER_SET_CLIENT, 'utf8mb4_bin' AS COLLATION_CONNECTION FROM {relations} WHERE type = 'view'";

const SCHEMATA: &str =
    "SELECT 'def' AS CATALOG_NAME, column1 AS SCHEMA_NAME, 'utf8mb4' AS DEFAULT_CHARACTER_SET_NAME,
    'utf8mb4_bin' AS DEFAULT_COLLATION_NAME, NULL AS SQL_PATH, 'NO' AS DEFAULT_ENCRYPTION
    FROM (VALUES ({db}), ('information_schema'))";

const ENGINES: &str =
    "SELECT 'InnoDB' AS ENGINE, 'DEFAULT' AS SUPPORT, 'SQLite, replicated' AS COMMENT,
    'YES' AS TRANSACTIONS, 'NO' AS XA, 'YES' AS SAVEPOINTS";

const CHARACTER_SETS: &str = "SELECT 'utf8mb4' AS CHARACTER_SET_NAME, 'utf8mb4_bin' AS DEFAULT_COLLATE_NAME,
    'UTF-8 Unicode' AS DESCRIPTION, 4 AS MAXLEN UNION ALL SELECT 'binary', 'binary', 'Binary pseudo charset', 1";

const COLLATIONS: &str = "SELECT column1 AS COLLATION_NAME, column2 AS CHARACTER_SET_NAME, column3 AS ID,
    column4 AS IS_DEFAULT, 'Yes' AS IS_COMPILED, 0 AS SORTLEN FROM (VALUES ('utf8mb4_bin', 'utf8mb4', 46, 'Yes'),
    ('utf8mb4_general_ci', 'utf8mb4', 45, ''), ('binary', 'binary', 63, 'Yes'))";

const CHECK_CONSTRAINTS: &str = "SELECT 'def' AS CONSTRAINT_CATALOG, {db} AS CONSTRAINT_SCHEMA,
    '' AS CONSTRAINT_NAME, '' AS CHECK_CLAUSE WHERE false";

const ROUTINES: &str =
    "SELECT '' AS SPECIFIC_NAME, 'def' AS ROUTINE_CATALOG, {db} AS ROUTINE_SCHEMA,
    '' AS ROUTINE_NAME, '' AS ROUTINE_TYPE, '' AS DATA_TYPE, '' AS ROUTINE_DEFINITION WHERE false";

const TRIGGERS: &str =
    "SELECT {db} AS TRIGGER_SCHEMA, name AS TRIGGER_NAME, tbl_name AS EVENT_OBJECT_TABLE,
    sql AS ACTION_STATEMENT FROM sqlite_schema WHERE type = 'trigger'";

/// The query for a table of information_schema; `db` is the database's name as SQL.
pub(super) fn query(name: &str, db: &str) -> Option<String> {
    let template = match name.to_ascii_lowercase().as_str() {
        "columns" => COLUMNS,
        "tables" => TABLES,
        "statistics" => STATISTICS,
        "key_column_usage" => KEY_COLUMN_USAGE,
        "referential_constraints" => REFERENTIAL_CONSTRAINTS,
        "table_constraints" => TABLE_CONSTRAINTS,
        "check_constraints" => CHECK_CONSTRAINTS,
        "views" => VIEWS,
        "schemata" => SCHEMATA,
        "engines" => ENGINES,
        "character_sets" => CHARACTER_SETS,
        "collations" => COLLATIONS,
        "routines" | "parameters" | "events" | "partitions" | "files" => ROUTINES,
        "triggers" => TRIGGERS,
        _ => return None,
    };
    let parts = [
        ("{key_column_usage}", KEY_COLUMN_USAGE),
        ("{statistics}", STATISTICS),
        ("{typed}", TYPED),
        ("{index_name}", INDEX_NAME),
        ("{fk_name}", FK_NAME),
        ("{relations}", RELATIONS),
        ("{db}", db),
    ];
    Some(parts.iter().fold(template.to_owned(), |sql, (mark, text)| sql.replace(mark, text)))
}
