use ha_core::Seq;

/// A step of comparing the states of all nodes. Neither changes anything, and both are appended
/// without a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audit {
    /// Every node is to say what its state is here.
    Mark,
    /// What a node's state was at a mark.
    Report(AuditReport),
}

/// The state of a node at a mark, as hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Where the mark stands.
    pub mark: Seq,
    /// How the hashes are made; those of two methods cannot be compared.
    pub method: u32,
    /// Over everything.
    pub total: [u8; 32],
    /// Of each table, and of what else a database has, in the order of their names; only the
    /// first of them if they are many.
    pub tables: Vec<(String, [u8; 32])>,
}
