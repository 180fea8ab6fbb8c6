//! A transport for ha over Redis Streams.
