//! CGI/1.1 (RFC 3875) on top of the protocol: what params mean, and how a response's head is written.
//!
//! Pure, like `protocol`.

mod head;
mod mount;
mod params;
mod url;
mod validators;

pub(crate) use head::{Illegal, check_field, check_value, is_bodiless, is_token, reason};
pub(crate) use mount::{Place, Target, locate, raw_path};
pub(crate) use params::{Known, Params, ParamsError, Scratch};
pub(crate) use url::{below, encode_path, encoded, encoded_file, request_target};
pub(crate) use validators::{Version, entity_tag, is_current};
