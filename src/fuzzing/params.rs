//! The params of a request, repeated ones joined, and the mount rule. Called by the target `params`.

use super::model;
use crate::cgi::{Known, NAMES, Params, ParamsError, Scratch, Target, locate, raw_path};
use crate::protocol::{Pairs, encode_pair};

/// Small enough for a short input to exceed them.
const MAX_PAIRS: usize = 64;
const MAX_PAIR: usize = 1024;

/// The first byte says how much room there is to write in, the rest is a stream of params.
///
/// # Panics
/// When a lookup gives what a plain walk over the pairs does not, or a place is not the path's.
pub fn params(data: &[u8]) {
    let Some((&room, stream)) = data.split_first() else {
        return;
    };
    // Once in that room and once in plenty: what comes of params that fit must not depend on how much room is left over.
    let (mut small, mut large) = (
        vec![0; usize::from(room) * 8],
        vec![0; 16 + data.len() * 16],
    );
    let mut desk = vec![0; 4 * MAX_PAIRS];
    let whole = model::pairs(stream).is_some();
    let pairs: Vec<_> = Pairs::new(stream).collect();
    let refused = match () {
        () if !whole => Some(ParamsError::Broken),
        () if pairs.len() > MAX_PAIRS => Some(ParamsError::TooMany),
        () if pairs.iter().any(|(n, v)| n.len() + v.len() > MAX_PAIR) => {
            Some(ParamsError::PairTooLarge)
        }
        () => None,
    };
    for room in [&mut small, &mut large] {
        let (room_len, mut scratch) = (room.len(), Scratch::new(room, &mut desk));
        let mut found = Params::new();
        let read = found.read(stream);
        let read = read.and_then(|read| found.check(MAX_PAIRS, MAX_PAIR).map(|()| read));
        assert_eq!(read.as_ref().err(), refused.as_ref(), "refused for");
        let Ok(suspects) = read else {
            // What stands in front of the break says whose request it is. The last name is not looked up then.
            let names = if whole { NAMES.len() } else { NAMES.len() - 1 };
            known(&found, &pairs, &NAMES[..names]);
            continue;
        };
        found.join(suspects, &mut scratch);
        if room_len > stream.len() * 8 {
            lookups(&found, &pairs);
        }
        place(&found, &mut scratch);
    }
    encoded_again(&pairs);
}

/// Each name is found: the last value, or all of a repeated header. A header is found by its name in HTTP, and one that
/// was not sent is not: each value serves as a name, too.
fn lookups(found: &Params<'_>, pairs: &[(&[u8], &[u8])]) {
    for (name, _) in pairs {
        let values: Vec<&[u8]> = pairs
            .iter()
            .filter(|(other, _)| other == name)
            .map(|&(_, value)| value)
            .collect();
        let expected = match name.strip_prefix(b"HTTP_") {
            Some(b"COOKIE") => values.join(&b"; "[..]),
            Some(_) => values.join(&b", "[..]),
            None => values.last().expect("it has one").to_vec(),
        };
        assert_eq!(found.get(name), Some(&expected[..]), "{name:?}");
    }
    known(found, pairs, &NAMES);
    for &(name, value) in pairs {
        let name = name.strip_prefix(b"HTTP_").unwrap_or(name);
        let in_lower_case = name.to_ascii_lowercase();
        for asked in [name, &in_lower_case, value] {
            header(found, asked);
            let with_dashes: Vec<u8> = asked
                .iter()
                .map(|&b| if b == b'_' { b'-' } else { b })
                .collect();
            header(found, &with_dashes);
        }
    }
}

/// The params that every request needs are found by their names: the last of each.
fn known(found: &Params<'_>, pairs: &[(&[u8], &[u8])], names: &[(Known, &[u8])]) {
    let last = |name: &[u8]| {
        let mut values = pairs.iter().rev().filter(|(other, _)| *other == name);
        values.next().map(|&(_, value)| value)
    };
    for &(known, name) in names {
        assert_eq!(found.known(known), last(name), "{name:?}");
    }
}

/// RFC 3875, section 4.1.18: the variable's name is the header's in upper case, with `_` for `-`.
fn header(found: &Params<'_>, asked: &[u8]) {
    let Ok(asked) = str::from_utf8(asked) else {
        return;
    };
    let variable = asked.to_ascii_uppercase().replace('-', "_");
    let expected = match variable.as_str() {
        "CONTENT_TYPE" | "CONTENT_LENGTH" if !asked.contains('_') => found.get(variable.as_bytes()),
        _ => found.get(format!("HTTP_{variable}").as_bytes()),
    };
    assert_eq!(found.header(asked), expected, "{asked:?}");
}

/// The mount and the path, found and as `Server::mount` would set them.
fn place<'buf>(found: &Params<'buf>, scratch: &mut Scratch<'buf>) {
    let known = |known| found.known(known).unwrap_or_default();
    let target = Target {
        script_name: known(Known::ScriptName),
        path_info: known(Known::PathInfo),
        request_uri: found.known(Known::RequestUri),
    };
    // A query is as good as any text for a mount: `Server::mount` takes its slash away.
    let setting = known(Known::QueryString);
    let setting = setting.strip_suffix(b"/").unwrap_or(setting);
    for mount in [None, Some(setting)] {
        let Some(place) = locate(target, mount, scratch) else {
            continue;
        };
        let is_set = mount == Some(place.mount);
        assert!(
            is_set || !place.mount.ends_with(b"/"),
            "{target:?} at {place:?}"
        );
        let is_path = |part: &[u8]| part.is_empty() || part.starts_with(b"/");
        if target.request_uri.is_none_or(is_path) && is_path(target.script_name) {
            assert!(place.path.starts_with(b"/"), "{target:?} at {place:?}");
        }
        if let Some(uri) = target.request_uri {
            let raw = raw_path(uri, place.mount);
            let is_part = raw == b"/" || uri.windows(raw.len().max(1)).any(|part| part == raw);
            assert!(raw.is_empty() || is_part, "{raw:?} of {uri:?}");
        }
    }
}

/// Pairs that are encoded are read as they were.
fn encoded_again(pairs: &[(&[u8], &[u8])]) {
    let mut stream = Vec::new();
    for (name, value) in pairs {
        encode_pair(name, value, &mut stream);
    }
    assert!(Pairs::new(&stream).eq(pairs.iter().copied()));
}
