//! CGI/1.1 (RFC 3875) on top of the protocol: what params mean, and how a response's head is written.
//!
//! Pure, like `protocol`.

mod eight;
mod head;
mod header_names;
mod joined;
mod mount;
mod names;
mod params;
mod scratch;
mod url;
mod validators;

pub(crate) use eight::up_to_eight;
pub(crate) use head::{Illegal, check_field, check_value, is_bodiless, is_token, reason};
pub(crate) use mount::{Place, Target, locate, locate_usual, raw_path};
pub(crate) use names::Known;
#[cfg(any(test, fuzzing))]
pub(crate) use names::NAMES;
pub(crate) use params::{Params, ParamsError, Suspects};
pub(crate) use scratch::Scratch;
#[cfg(feature = "http")]
pub(crate) use url::target_below;
pub(crate) use url::{below, encode_path, encoded, encoded_file, request_target};
pub(crate) use validators::{Version, entity_tag, is_current};
