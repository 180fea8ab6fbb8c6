/// Why bytes are not an entry, or an entry cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a change message.
    #[error("not a change message: {0}")]
    Malformed(String),
    /// The entry was written by a newer `ha`. It must not be guessed at or skipped.
    #[error(
        "the entry has format version {version}, this node reads up to {}; update this node",
        crate::FORMAT_VERSION
    )]
    NewerFormat {
        /// The version it has.
        version: u32,
    },
    /// The entry contradicts itself: a mistake of whoever made it.
    #[error("the entry cannot be written: {0}")]
    Inconsistent(String),
    /// The entry does not fit into [`crate::MAX_PARTS`] parts, or what each part says of
    /// itself does not fit into one.
    #[error(
        "the entry is too large for {} messages of {max_part_bytes} bytes; \
         write less in one transaction",
        crate::MAX_PARTS
    )]
    TooLarge {
        /// How large a message may be.
        max_part_bytes: usize,
    },
    /// The message has no form for this.
    #[error("not supported: {0}")]
    Unsupported(String),
}
