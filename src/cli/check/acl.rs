//! Access control lists: what they let a user do whom the mode of a file would keep out, and the other way round. See acl(5).
//! Called by `person`.

use super::person::Person;
use crate::net::sys;
use std::path::Path;

/// What the tags of entries are, `ACL_USER_OBJ` and the others.
const OWNER: u16 = 1;
const USER: u16 = 2;
const OWN_GROUP: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHERS: u16 = 32;

/// An entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Whom it is for.
    tag: u16,
    /// What it allows, in the bits of a mode.
    may: u16,
    /// The user's or group's number, where it is for one.
    id: u32,
}

/// Whether the list of a file lets somebody do what is `wanted`. `None`: the file has no list.
pub(super) fn lets(
    person: &Person,
    wanted: u32,
    path: &Path,
    owner: u32,
    group: u32,
) -> Option<bool> {
    let entries = read(&sys::access_list(path)?)?;
    Some(judge(&entries, person, wanted, owner, group))
}

/// Reads a list as the kernel keeps it: a version, and eight bytes for each entry.
fn read(bytes: &[u8]) -> Option<Vec<Entry>> {
    let entries = bytes.strip_prefix(&[2, 0, 0, 0])?;
    let mut list = Vec::new();
    for bytes in entries.chunks_exact(8) {
        let [tag, more_tag, may, more_may, id @ ..] = *<&[u8; 8]>::try_from(bytes).ok()?;
        list.push(Entry {
            tag: u16::from_le_bytes([tag, more_tag]),
            may: u16::from_le_bytes([may, more_may]),
            id: u32::from_le_bytes(id),
        });
    }
    Some(list)
}

/// The first entry that is for this person decides; but of several groups' entries any may allow it. The mask limits all
/// entries except those for the owner and for others.
fn judge(entries: &[Entry], person: &Person, wanted: u32, owner: u32, group: u32) -> bool {
    let wanted = wanted as u16;
    let of = |tag: u16| entries.iter().find(|entry| entry.tag == tag);
    let mask = of(MASK).map_or(7, |entry| entry.may);
    let lets = |entry: &Entry, mask: u16| entry.may & mask & wanted == wanted;
    if person.uid == owner {
        return of(OWNER).is_some_and(|entry| lets(entry, 7));
    }
    let is_person = |entry: &&Entry| entry.tag == USER && entry.id == person.uid;
    if let Some(entry) = entries.iter().find(is_person) {
        return lets(entry, mask);
    }
    let is_group = |entry: &&Entry| match entry.tag {
        OWN_GROUP => person.groups.contains(&group),
        GROUP => person.groups.contains(&entry.id),
        _ => false,
    };
    let mut groups = entries.iter().filter(is_group).peekable();
    match groups.peek() {
        Some(_) => groups.any(|entry| lets(entry, mask)),
        None => of(OTHERS).is_some_and(|entry| lets(entry, 7)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `setfacl -m u:33:r-x,g:7:rwx,m::r-x` on a file of mode 0700 and user 1000.
    #[test]
    fn who_is_named_comes_before_others() {
        let mut bytes = vec![2, 0, 0, 0];
        for (tag, may, id) in [
            (OWNER, 7, u32::MAX),
            (USER, 5, 33),
            (OWN_GROUP, 0, u32::MAX),
            (GROUP, 7, 7),
            (MASK, 5, u32::MAX),
            (OTHERS, 0, u32::MAX),
        ] {
            bytes.extend(u16::to_le_bytes(tag));
            bytes.extend(u16::to_le_bytes(may));
            bytes.extend(u32::to_le_bytes(id));
        }
        let entries = read(&bytes).unwrap();
        for (uid, groups, wanted, is_let) in [
            (1000, &[][..], 7, true),
            (33, &[33], 5, true),
            (33, &[33], 2, false),
            (34, &[7], 1, true),
            (34, &[7], 2, false),
            (34, &[1000], 1, false),
            (34, &[1000, 7], 1, true),
            (34, &[34], 1, false),
        ] {
            let person = Person {
                name: "",
                uid,
                groups: groups.to_vec().leak(),
            };
            let found = judge(&entries, &person, wanted, 1000, 1000);
            assert_eq!(found, is_let, "{uid} {groups:?} {wanted}");
        }
        assert_eq!(read(b"\x03\0\0\0"), None);
        assert_eq!(read(b""), None);
    }
}
