import Dispatch

/// Calls `body` once for each index, on all cores when the work is worth the hand-over.
///
/// Every index must write places of its own; each place is then computed by one thread in its
/// prescribed order, so the result does not depend on the number of threads.
///
/// - Parameter work: multiply-adds of all indices together, roughly.
package func concurrently(_ count: Int, work: Int, _ body: (Int) -> Void) {
  if count > 1, work > 50_000 {
    withoutActuallyEscaping(body) { body in
      // Sound because the indices write separate places and all end before this call returns.
      nonisolated(unsafe) let body = body
      DispatchQueue.concurrentPerform(iterations: count) { index in unsafe body(index) }
    }
  } else {
    for index in 0..<count { body(index) }
  }
}

/// The output positions `o` for which `o * stride + offset` is a position of the input.
func positions(_ outputs: Int, stride: Int, offset: Int, inside inputs: Int) -> Range<Int> {
  let first = offset >= 0 ? 0 : (-offset + stride - 1) / stride
  let last = inputs - 1 - offset
  let end = last < 0 ? 0 : min(outputs, last / stride + 1)
  return min(first, end)..<end
}
