//! A number as its decimal digits, where nothing may be allocated: in a signal handler, in an answer's head.

/// The digits, and where they begin.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(crate) fn of(mut number: u64) -> Decimal {
        let mut decimal = Decimal {
            digits: [b'0'; 20],
            start: 20,
        };
        loop {
            decimal.start -= 1;
            decimal.digits[decimal.start] += (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// The digits of a number below 100,000,000, as they stand, and how many they are; behind them are zeros.
#[inline(always)]
pub(crate) fn in_eight(number: u64) -> Option<([u8; 8], usize)> {
    let mut rest = u32::try_from(number).ok().filter(|&n| n < 100_000_000)?;
    let (mut digits, mut count) = (0_u64, 0);
    loop {
        digits = (digits << 8) | (u64::from(b'0') + u64::from(rest % 10));
        count += 1;
        rest /= 10;
        if rest == 0 {
            return Some((digits.to_le_bytes(), count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_digits() {
        for number in [0, 9, 10, 65_528, u64::MAX] {
            assert_eq!(
                Decimal::of(number).as_bytes(),
                number.to_string().as_bytes()
            );
        }
    }

    #[test]
    fn eight_digits_are_as_all_are() {
        for number in [0, 9, 10, 65_528, 12_345_678, 99_999_999] {
            let (digits, count) = in_eight(number).unwrap();
            let (digits, behind) = digits.split_at(count);
            assert_eq!(digits, number.to_string().as_bytes());
            assert!(behind.iter().all(|&byte| byte == 0));
        }
        for number in [100_000_000, u64::from(u32::MAX) + 2, u64::MAX] {
            assert_eq!(in_eight(number), None);
        }
    }
}
