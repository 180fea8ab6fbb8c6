use super::handshake::UTF8MB4;

/// A column's type as the protocol knows it
/// (<https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Type {
    Tiny = 1,
    Short = 2,
    Long = 3,
    Double = 5,
    LongLong = 8,
    Date = 10,
    Time = 11,
    DateTime = 12,
    Json = 245,
    Decimal = 246,
    Blob = 252,
    Text = 253,
}

/// A column of a result, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) kind: Kind,
}

/// How the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) code: Type,
    pub(crate) unsigned: bool,
    /// The longest value in characters, as it was declared.
    pub(crate) length: u32,
    /// Digits after the point: of a decimal, and of the seconds of a time.
    pub(crate) decimals: u8,
}

impl Kind {
    pub(crate) const TEXT: Self = Self::of(Type::Text, 1024);
    pub(crate) const BIG: Self = Self::of(Type::LongLong, 20);
    pub(crate) const DOUBLE: Self = Self { decimals: 31, ..Self::of(Type::Double, 22) };
    pub(crate) const BLOB: Self = Self::of(Type::Blob, 65_535);

    const fn of(code: Type, length: u32) -> Self {
        Self { code, unsigned: false, length, decimals: 0 }
    }

    /// What a declared type means; `None` if it says nothing to MySQL.
    pub(crate) fn declared(declaration: &str) -> Option<Self> {
        let text = declaration.to_ascii_lowercase();
        let base = text.split(['(', ' ']).next().unwrap_or_default();
        let mut sizes = sizes(&text);
        let (first, second) = (sizes.next(), sizes.next());
        let plain = |code, length| Self::of(code, first.unwrap_or(length));
        let kind = match base {
            "bool" | "boolean" => Self::of(Type::Tiny, 1),
            "tinyint" => plain(Type::Tiny, 4),
            "smallint" | "year" | "int2" => plain(Type::Short, 6),
            "int" | "mediumint" | "int4" => plain(Type::Long, 11),
            "bigint" | "integer" | "int8" => plain(Type::LongLong, 20),
            // Stored in 64 bits, and sent so.
            "float" | "double" | "real" => Self::DOUBLE,
            "decimal" | "numeric" | "dec" | "fixed" => Self {
                decimals: second.unwrap_or(0).min(30) as u8,
                ..Self::of(Type::Decimal, first.unwrap_or(10) + 2)
            },
            "date" => Self::of(Type::Date, 10),
            "time" => Self { decimals: first.unwrap_or(0).min(6) as u8, ..plain(Type::Time, 10) },
            "datetime" | "timestamp" => {
                let decimals = first.unwrap_or(0).min(6) as u8;
                Self { decimals, ..Self::of(Type::DateTime, 26) }
            }
            "json" => Self::of(Type::Json, u32::MAX),
            "blob" | "tinyblob" | "mediumblob" | "longblob" | "binary" | "varbinary" => {
                plain(Type::Blob, 65_535)
            }
            "char" | "varchar" | "nchar" | "nvarchar" | "character" => plain(Type::Text, 255),
            "text" | "tinytext" | "mediumtext" | "longtext" | "clob" => plain(Type::Text, 65_535),
            _ => return None,
        };
        Some(Self { unsigned: text.contains("unsigned"), ..kind })
    }

    /// The character set number; 63 is binary.
    pub(crate) fn charset(self) -> u16 {
        match self.code {
            Type::Text | Type::Json => UTF8MB4,
            _ => 63,
        }
    }

    /// Column definition flags: unsigned, blob, binary, number.
    pub(crate) fn flags(self) -> u16 {
        let number = !matches!(
            self.code,
            Type::Text | Type::Json | Type::Blob | Type::Date | Type::Time | Type::DateTime
        );
        u16::from(self.unsigned) << 5
            | u16::from(self.code == Type::Blob) << 4
            | u16::from(self.charset() == 63) << 7
            | u16::from(number) << 15
    }
}

/// The numbers in the parentheses.
fn sizes(text: &str) -> impl Iterator<Item = u32> + '_ {
    let inner =
        text.split_once('(').map_or("", |(_, after)| after.trim_end().trim_end_matches(')'));
    inner.split(',').filter_map(|size| size.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_mean_what_mysql_means() {
        let code = |text| Kind::declared(text).map(|kind| kind.code);
        assert_eq!(code("TINYINT(1)"), Some(Type::Tiny));
        assert_eq!(code("int unsigned"), Some(Type::Long));
        assert!(Kind::declared("INT UNSIGNED").unwrap().unsigned);
        assert_eq!(code("INTEGER"), Some(Type::LongLong));
        assert_eq!(code("datetime(6)"), Some(Type::DateTime));
        let price = Kind::declared("DECIMAL(10, 2)").unwrap();
        assert_eq!((price.code, price.decimals), (Type::Decimal, 2));
        assert_eq!(code("geometry"), None);
    }
}
