//! Which known word was probably meant by an unknown one. Called by whatever reads flags and commands, and by `check --connect`
//! for names of sockets.

/// The known word that was probably meant: one that begins with the name, else the nearest one, if no more than a third of its
/// letters differ.
pub(super) fn nearest(
    name: &str,
    known: &mut dyn Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let mut near = None;
    for known in known {
        if name.len() > 1 && known.starts_with(name) {
            return Some(known);
        }
        let far = distance(name, known);
        if near.is_none_or(|near| (far, known) < near) {
            near = Some((far, known));
        }
    }
    let (far, known) = near?;
    (far <= known.len().div_ceil(3)).then_some(known)
}

/// How many letters have to be put in, left out or changed to make one word of the other (Levenshtein's distance).
pub(super) fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
