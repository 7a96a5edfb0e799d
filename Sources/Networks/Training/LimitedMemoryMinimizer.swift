/// Unconstrained minimisation by limited-memory BFGS with a line search for the strong Wolfe
/// conditions (Nocedal and Wright 2006, algorithms 7.4, 7.5, 3.5 and 3.6).
///
/// Vectors are on the host in double precision, all sums in ascending order, so that a run has the
/// same bits wherever the objective has. An iteration costs 4 * history * n multiply-adds besides
/// the objective, mostly evaluated once.
package struct LimitedMemoryMinimizer: Sendable {
  /// Why a minimisation ended.
  package enum Stop: Sendable {
    case converged, exhausted, lineSearch, cancelled
  }

  /// Where a minimisation ended.
  package struct Result: Sendable {
    package var x: [Double]
    package var value: Double
    package var evaluations: Int
    package var stop: Stop
  }

  /// A point of a line, with the slope along it.
  private struct Trial {
    var step: Double
    var value: Double
    var slope: Double
    var x: [Double]
    var gradient: [Double]
  }

  /// Pairs of the history.
  package var history = 20
  /// At most so many evaluations of the objective.
  package var maximumEvaluations = 400
  /// Ends when ten iterations together gain less than this part of the value.
  package var tolerance = 1e-4

  /// The minimisation with its default settings.
  package init() {}

  private static let sufficientDecrease = 1e-4
  private static let curvature = 0.9
  private static let lineEvaluations = 20
  private static let window = 10

  /// Minimises a function from a point.
  ///
  /// - Parameters:
  ///   - objective: The value and the gradient at a point.
  ///   - progress: Told of evaluations and value after each iteration; false ends the minimisation.
  package func minimize<Failure: Error>(
    from start: [Double], objective: ([Double]) throws(Failure) -> (Double, [Double]),
    progress: (Int, Double) -> Bool = { _, _ in true }
  ) throws(Failure) -> Result {
    var x = start
    var (value, gradient) = try objective(x)
    var evaluations = 1
    var steps: [[Double]] = []
    var changes: [[Double]] = []
    var values = [value]
    var stop = Stop.exhausted
    while evaluations < maximumEvaluations {
      var direction = self.direction(gradient, steps, changes)
      var slope = dot(direction, gradient)
      if !(slope < 0) {
        (steps, changes) = ([], [])
        direction = gradient.map { -$0 }
        slope = -dot(gradient, gradient)
      }
      guard slope < 0 else {
        stop = .converged
        break
      }
      let first = steps.isEmpty ? min(1, 1 / (-slope).squareRoot()) : 1
      let origin = Trial(step: 0, value: value, slope: slope, x: x, gradient: gradient)
      let budget = min(Self.lineEvaluations, maximumEvaluations - evaluations)
      let (found, used) = try search(origin, direction, first, budget, objective)
      evaluations += used
      guard let found, found.value < value else {
        guard !steps.isEmpty, evaluations < maximumEvaluations else {
          stop = evaluations < maximumEvaluations ? .lineSearch : .exhausted
          break
        }
        // Perhaps the history misleads: once more from the steepest descent.
        (steps, changes) = ([], [])
        continue
      }
      let step = zip(found.x, x).map { $0 - $1 }
      let change = zip(found.gradient, gradient).map { $0 - $1 }
      if dot(step, change) > 0 {
        steps.append(step)
        changes.append(change)
        if steps.count > history {
          steps.removeFirst()
          changes.removeFirst()
        }
      }
      (x, value, gradient) = (found.x, found.value, found.gradient)
      values.append(value)
      guard progress(evaluations, value) else {
        stop = .cancelled
        break
      }
      if values.count > Self.window {
        let before = values[values.count - 1 - Self.window]
        if before - value <= tolerance * abs(before) {
          stop = .converged
          break
        }
      }
    }
    return Result(x: x, value: value, evaluations: evaluations, stop: stop)
  }

  /// Minus the inverse Hessian's estimate times the gradient.
  private func direction(
    _ gradient: [Double], _ steps: [[Double]], _ changes: [[Double]]
  ) -> [Double] {
    var q = gradient
    var factors = [Double](repeating: 0, count: steps.count)
    let curvatures = zip(steps, changes).map { dot($0, $1) }
    for index in steps.indices.reversed() {
      factors[index] = dot(steps[index], q) / curvatures[index]
      add(-factors[index], changes[index], to: &q)
    }
    if let last = changes.last, let curvature = curvatures.last {
      let gamma = curvature / dot(last, last)
      for i in q.indices { q[i] *= gamma }
    }
    for index in steps.indices {
      add(factors[index] - dot(changes[index], q) / curvatures[index], steps[index], to: &q)
    }
    for i in q.indices { q[i] = -q[i] }
    return q
  }

  /// A step that meets the strong Wolfe conditions, or the lowest point that was seen.
  private func search<Failure: Error>(
    _ origin: Trial, _ direction: [Double], _ first: Double, _ budget: Int,
    _ objective: ([Double]) throws(Failure) -> (Double, [Double])
  ) throws(Failure) -> (Trial?, Int) {
    var used = 0
    var best: Trial?
    func evaluate(_ step: Double) throws(Failure) -> Trial {
      var x = origin.x
      add(step, direction, to: &x)
      let (value, gradient) = try objective(x)
      used += 1
      let trial = Trial(
        step: step, value: value, slope: dot(gradient, direction), x: x, gradient: gradient)
      if value < best?.value ?? origin.value { best = trial }
      return trial
    }
    func decreases(_ trial: Trial) -> Bool {
      trial.value <= origin.value + Self.sufficientDecrease * trial.step * origin.slope
    }
    var low = origin
    var high: Trial?
    var step = first
    while used < budget {
      let trial = try evaluate(step)
      if high == nil {
        if !decreases(trial) || (used > 1 && trial.value >= low.value) {
          high = trial
        } else if abs(trial.slope) <= -Self.curvature * origin.slope {
          return (trial, used)
        } else if trial.slope >= 0 {
          (high, low) = (low, trial)
        } else {
          low = trial
          step *= 4
          continue
        }
      } else if !decreases(trial) || trial.value >= low.value {
        high = trial
      } else {
        if abs(trial.slope) <= -Self.curvature * origin.slope { return (trial, used) }
        if let other = high, trial.slope * (other.step - low.step) >= 0 { high = low }
        low = trial
      }
      guard let high, abs(high.step - low.step) > 1e-12 * max(1, abs(low.step)) else { break }
      step = Self.between(low, high)
    }
    return (best, used)
  }

  /// The minimiser of the cubic through two points and their slopes, kept off the ends.
  private static func between(_ a: Trial, _ b: Trial) -> Double {
    let width = b.step - a.step
    let first = a.slope + b.slope - 3 * (b.value - a.value) / width
    let square = first * first - a.slope * b.slope
    var step = a.step + 0.5 * width
    if square >= 0, b.value.isFinite {
      let second = (width < 0 ? -1 : 1) * square.squareRoot()
      let candidate = b.step - width * (b.slope + second - first) / (b.slope - a.slope + 2 * second)
      if candidate.isFinite { step = candidate }
    }
    let (low, high) = (min(a.step, b.step), max(a.step, b.step))
    let margin = 0.1 * (high - low)
    return min(max(step, low + margin), high - margin)
  }
}

/// The sum of products in ascending order.
private func dot(_ a: [Double], _ b: [Double]) -> Double {
  var sum = 0.0
  for i in a.indices { sum.addProduct(a[i], b[i]) }
  return sum
}

/// Adds a multiple of x to y.
private func add(_ factor: Double, _ x: [Double], to y: inout [Double]) {
  for i in y.indices { y[i].addProduct(factor, x[i]) }
}
