//! A MySQL front-end for ha.
