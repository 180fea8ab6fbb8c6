use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;
use crate::values::{self, List, Optional, Port};
use crate::{duration, size};

/// The HTTP front-end.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Port of the HTTP front-end; 0 for a free one
    #[arg(short, long, default_value = "8080")]
    pub port: u16,

    /// Bearer token that HTTP clients have to send
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    pub http_token: Optional<Secret>,

    /// Host names that HTTP clients may use for the node besides its
    /// addresses and localhost, separated by commas
    #[arg(long, value_name = "HOSTS", default_value = "", hide_default_value = true)]
    pub http_allow_host: List,

    /// HTTP connections served at the same time
    #[arg(long, value_name = "N", default_value = "1024", value_parser = values::count)]
    pub http_max_connections: NonZeroUsize,
}

/// The PostgreSQL front-end.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct PgArgs {
    /// Port of the PostgreSQL front-end: 0 for none, any for a free one
    #[arg(long, value_name = "PORT", default_value = "5432", allow_negative_numbers = true)]
    pub pg_port: Port,

    /// User that PostgreSQL clients log in as
    #[arg(long, value_name = "USER", default_value = "ha")]
    pub pg_user: String,

    /// Password that PostgreSQL clients log in with
    #[arg(long, value_name = "PASSWORD", default_value = "ha")]
    pub pg_pass: Secret,

    /// TLS certificate file (PEM); needs --pg-key
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub pg_cert: Optional<PathBuf>,

    /// TLS key file (PEM); needs --pg-cert
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub pg_key: Optional<PathBuf>,

    /// PostgreSQL connections served at the same time
    #[arg(long, value_name = "N", default_value = "200", value_parser = values::count)]
    pub pg_max_connections: NonZeroUsize,
}

/// What one client may use.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Largest request
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = size::parse_positive)]
    pub max_body: usize,

    /// Most rows of one HTTP result; 0 for no limit
    #[arg(long, value_name = "N", default_value = "100000")]
    pub max_rows: usize,

    /// Largest HTTP answer; 0 for no limit
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size::parse)]
    pub max_result_bytes: usize,

    /// Largest transaction: the bytes of its changes as they travel in the
    /// log
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = size::parse_positive)]
    pub max_transaction_bytes: usize,

    /// How long a statement may run; 0 for no limit
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    pub statement_timeout: Duration,

    /// How long a transaction that wrote may be without a statement
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse_positive)]
    pub transaction_idle_timeout: Duration,
}
