/// Where two arrays differ in their bits, as one line, or nil where they do not.
///
/// A NaN equals any NaN, since devices differ in what they put into it.
func difference(_ found: [Float], _ expected: [Float]) -> String? {
  difference(found, expected) {
    $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN)
  }
}

/// Where two arrays of integers differ, as one line, or nil where they do not.
func difference<Element: FixedWidthInteger>(_ found: [Element], _ expected: [Element]) -> String? {
  difference(found, expected, ==)
}

private func difference<Element>(
  _ found: [Element], _ expected: [Element], _ agree: (Element, Element) -> Bool
) -> String? {
  guard found.count == expected.count else {
    return "\(found.count) elements instead of \(expected.count)"
  }
  var wrong = 0
  var first: Int?
  for i in found.indices where !agree(found[i], expected[i]) {
    wrong += 1
    first = first ?? i
  }
  return first.map {
    "\(wrong) of \(found.count) elements differ, first \($0): \(found[$0]) instead of "
      + "\(expected[$0])"
  }
}
