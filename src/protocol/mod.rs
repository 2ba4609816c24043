//! The FastCGI 1.0 protocol as values: bytes in, values out, and back.
//!
//! Pure: no I/O, no clock, no log; decoding allocates nothing but the (bounded, rare) text of a
//! management record. Names are the specification's, in its order. `connection` and `client` use it
//! from the two ends of a connection.

mod bodies;
mod gathered;
mod pairs;
mod reader;
mod record;
mod run;
mod sequence;

pub(crate) use bodies::{BeginRequest, EndRequest, unknown_type, values_result};
pub(crate) use gathered::Gathered;
pub(crate) use pairs::{Pairs, encode_pair};
pub(crate) use reader::{RecordReader, Step};
pub use record::Role;
pub(crate) use record::{
    HEADER_LEN, MAX_CONTENT, ProtocolStatus, RecordHeader, RecordType, append_record,
};
pub(crate) use run::Run;
pub(crate) use sequence::{Event, Fault, Sequence};
