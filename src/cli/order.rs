//! Puts short lists in order. All lists of the toolbox come here: the standard library's sorts would be kilobytes of the
//! program for each type of list, for a speed that shows in long lists only.

/// Sorts a list; equal elements stay in their order. It is quick where the list is nearly in order already, as the numbers of
/// processes are.
pub(super) fn sort<T>(list: &mut [T], is_after: impl Fn(&T, &T) -> bool) {
    for end in 1..list.len() {
        let mut at = end;
        while at > 0 && is_after(&list[at - 1], &list[at]) {
            list.swap(at - 1, at);
            at -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_stays_as_it_was() {
        let mut list = [(2, 'a'), (1, 'b'), (3, 'c'), (2, 'd'), (1, 'e'), (0, 'f')];
        sort(&mut list, |one, other| one.0 > other.0);
        let expected = [(0, 'f'), (1, 'b'), (1, 'e'), (2, 'a'), (2, 'd'), (3, 'c')];
        assert_eq!(list, expected);
        sort(&mut [(); 0], |_, _| true);
    }
}
