use super::lex::{Kind, Token, tokens};

/// A statement of a query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) sql: &'a str,
    /// Where it begins in the query string, in bytes.
    pub(crate) at: usize,
}

/// Splits a query string at the semicolons that end a statement; the body of a trigger is not
/// split. Pieces that hold only white space and comments are left out.
pub(crate) fn split(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<Token<'_>> = Vec::new();
    for token in tokens(sql) {
        match token.kind {
            Kind::Blank => {}
            Kind::Symbol if token.text == ";" && !in_trigger(&piece) => {
                pieces.extend(whole(sql, &piece));
                piece.clear();
            }
            _ => piece.push(token),
        }
    }
    pieces.extend(whole(sql, &piece));
    pieces
}

fn whole<'a>(sql: &'a str, piece: &[Token<'_>]) -> Option<Piece<'a>> {
    let (first, last) = (piece.first()?, piece.last()?);
    Some(Piece { sql: &sql[first.at..last.at + last.text.len()], at: first.at })
}

/// Whether the piece is a CREATE TRIGGER whose END has not come.
fn in_trigger(piece: &[Token<'_>]) -> bool {
    let head = &piece[..piece.len().min(3)];
    let is_trigger = head.first().is_some_and(|token| token.is("CREATE"))
        && head.iter().any(|token| token.is("TRIGGER"));
    let ended = matches!(piece, [.., before, end] if before.symbol(";") && end.is("END"));
    is_trigger && !ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_semicolons_between_statements_split() {
        let trigger =
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END";
        let sql = format!("SELECT E'\\';' ; -- x;y\n SELECT $$;$$; {trigger}; ;SELECT 3;");
        let pieces: Vec<_> = split(&sql).iter().map(|piece| piece.sql).collect();
        assert_eq!(pieces, ["SELECT E'\\';'", "SELECT $$;$$", trigger, "SELECT 3"]);
        assert_eq!(split(" SELECT 1")[0].at, 1);
        assert!(split(" ; -- ping\n;/* */").is_empty());
    }
}
