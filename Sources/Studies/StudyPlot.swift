import Foundation

/// A plot of figures with their intervals, drawn as SVG.
public struct StudyPlot: Sendable {
  /// A figure, perhaps with an interval of confidence.
  public struct Value: Sendable, Hashable {
    /// The figure.
    public var value: Double
    /// The interval, if one is known.
    public var interval: ClosedRange<Double>?

    /// A figure.
    public init(_ value: Double, _ interval: ClosedRange<Double>? = nil) {
      self.value = value
      self.interval = interval
    }
  }

  /// Figures of one colour: in bars one for each category, nil where there is none; in lines one for
  /// each place on the axis.
  public struct Series: Sendable {
    /// The name in the legend.
    public var name: String
    /// The figures.
    public var values: [Value?]

    /// Figures under a name.
    public init(_ name: String, _ values: [Value?]) {
      self.name = name
      self.values = values
    }
  }

  /// How the figures are laid out.
  public enum Axis: Sendable {
    /// Groups of bars with these names.
    case categories([String])
    /// Lines over these places, ascending.
    case places(name: String, [Double])

    var count: Int {
      switch self {
      case .categories(let names): names.count
      case .places(_, let places): places.count
      }
    }
  }

  /// What the plot shows, one line.
  public var caption: String
  /// The horizontal axis.
  public var axis: Axis
  /// What goes upwards, with its unit.
  public var quantity: String
  /// The figures; infinite ones and NaN are not drawn.
  public var series: [Series]

  /// A plot.
  ///
  /// - Precondition: every series has as many values as the axis.
  public init(caption: String, axis: Axis, quantity: String, series: [Series]) {
    precondition(series.allSatisfy { $0.values.count == axis.count }, "values unlike the axis")
    self.caption = caption
    self.axis = axis
    self.quantity = quantity
    self.series = series
  }

  /// The plot as an SVG element, as wide as its frame.
  public var svg: String { PlotDrawing(self).svg }
}

/// The drawing of a plot; lengths are in units of the view box.
private struct PlotDrawing {
  /// Colours that the colour-blind tell apart (Okabe and Ito 2008).
  private static let colours = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#f0e442",
  ]
  private static let width = 560.0
  private static let plotHeight = 220.0
  private static let left = 58.0
  private static let right = 8.0
  /// How wide a letter is at most on the average, in fonts as wide as DejaVu Sans.
  private static let letter = 7.5
  /// Slanted names rise by this angle, in degrees.
  private static let slant = 35.0

  let plot: StudyPlot
  private let ticks: [Double]

  init(_ plot: StudyPlot) {
    self.plot = plot
    let all = plot.series.flatMap(\.values).compactMap(\.self).flatMap {
      [$0.value, $0.interval?.upperBound ?? $0.value, $0.interval?.lowerBound ?? $0.value]
    }.filter(\.isFinite)
    ticks = Self.ticks(from: min(0, all.min() ?? 0), to: max(0, all.max() ?? 1))
  }

  /// Round numbers that cover a range.
  static func ticks(from low: Double, to high: Double) -> [Double] {
    let span = high > low ? high - low : 1
    let power = pow(10, (log10(span / 5)).rounded(.down))
    let step = [1, 2, 5, 10].map { $0 * power }.first { span / $0 <= 6 } ?? span
    let first = (low / step).rounded(.down)
    let last = (high / step).rounded(.up)
    return stride(from: first, through: max(last, first + 1), by: 1).map { $0 * step }
  }

  /// Long names of series stand below each other, others in pairs.
  private var legendColumns: Int {
    Self.length(of: plot.series.map(\.name)) > 220 ? 1 : 2
  }
  private var legendHeight: Double {
    18 * Double((plot.series.count + legendColumns - 1) / legendColumns)
  }
  private var top: Double { 10 + legendHeight }
  private var bottom: Double { top + Self.plotHeight }
  private var categories: [String] {
    guard case .categories(let names) = plot.axis else { return [] }
    return names
  }
  private var isSlanted: Bool { Self.length(of: categories) > slot }
  /// How far the first slanted names reach beyond the left edge.
  private var overhang: Double {
    guard isSlanted else { return 0 }
    return categories.enumerated().reduce(0) { most, name in
      let length = Self.length(of: [name.element]) * cos(Self.slant * .pi / 180)
      return max(most, length - Self.left - slot * (Double(name.offset) + 0.5) + 4)
    }.rounded(.up)
  }
  private var height: Double {
    guard isSlanted else { return bottom + 44 }
    return bottom + 26 + Self.length(of: categories) * sin(Self.slant * .pi / 180)
  }
  private var slot: Double {
    (Self.width - Self.left - Self.right) / Double(max(1, plot.axis.count))
  }

  /// The length of the longest text, as far as it can be known without the font.
  private static func length(of texts: [String]) -> Double {
    letter * Double(texts.map(\.count).max() ?? 0)
  }

  private func y(_ value: Double) -> Double {
    let (low, high) = (ticks.first ?? 0, ticks.last ?? 1)
    return bottom - (value - low) / (high - low) * Self.plotHeight
  }

  var svg: String {
    var text =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"\(Int(-overhang)) 0 "
      + "\(Int(Self.width + overhang)) \(Int(height))\" "
      + "role=\"img\" aria-label=\"\(escaped(plot.caption))\" font-family=\"sans-serif\" "
      + "font-size=\"12\">\n"
    for tick in ticks {
      text += line(Self.left, y(tick), Self.width - Self.right, y(tick), "#ddd")
      text += label(Self.left - 6, y(tick) + 4, number(tick), "end")
    }
    text += "<text transform=\"translate(13 \(f(top + Self.plotHeight / 2))) rotate(-90)\" "
    text += "text-anchor=\"middle\">\(escaped(plot.quantity))</text>\n"
    for (index, series) in plot.series.enumerated() {
      let x = Self.left + Double(index % legendColumns) * 245
      let y = 14 + 18 * Double(index / legendColumns)
      text += "<rect x=\"\(f(x))\" y=\"\(f(y - 10))\" width=\"12\" height=\"12\" "
      text += "fill=\"\(colour(index))\"/>\n" + label(x + 18, y, series.name, "start")
    }
    switch plot.axis {
    case .categories(let names): text += bars(names)
    case .places(let name, let places): text += lines(name, places)
    }
    return text + line(Self.left, y(0), Self.width - Self.right, y(0), "#333") + "</svg>\n"
  }

  private func bars(_ names: [String]) -> String {
    var text = ""
    let width = 0.8 * slot / Double(max(1, plot.series.count))
    for (place, name) in names.enumerated() {
      let start = Self.left + slot * (Double(place) + 0.1)
      for (index, series) in plot.series.enumerated() {
        guard let figure = series.values[place], figure.value.isFinite else { continue }
        let x = start + width * Double(index)
        let (upper, lower) = (y(max(0, figure.value)), y(min(0, figure.value)))
        text += "<rect x=\"\(f(x))\" y=\"\(f(upper))\" width=\"\(f(0.92 * width))\" "
        text += "height=\"\(f(lower - upper))\" fill=\"\(colour(index))\"/>\n"
        text += whisker(x + 0.46 * width, figure)
      }
      let x = start + 0.4 * slot
      if isSlanted {
        text += "<text transform=\"translate(\(f(x)) \(f(bottom + 14))) rotate(\(-Self.slant))\" "
        text += "text-anchor=\"end\">\(escaped(name))</text>\n"
      } else {
        text += label(x, bottom + 18, name, "middle")
      }
    }
    return text
  }

  private func lines(_ name: String, _ places: [Double]) -> String {
    var text = ""
    let (low, high) = (places.first ?? 0, places.last ?? 1)
    let width = Self.width - Self.left - Self.right - 16
    let x = { (place: Double) in
      Self.left + 8 + (high > low ? (place - low) / (high - low) : 0.5) * width
    }
    for tick in Self.ticks(from: low, to: high) where tick >= low && tick <= high {
      text += label(x(tick), bottom + 18, number(tick), "middle")
    }
    text += label(Self.left + width / 2, bottom + 36, name, "middle")
    for (index, series) in plot.series.enumerated() {
      var path = ""
      for (place, figure) in zip(places, series.values) {
        guard let figure, figure.value.isFinite else { continue }
        path += "\(path.isEmpty ? "M" : "L")\(f(x(place))) \(f(y(figure.value)))"
        text += whisker(x(place), figure)
        text += "<circle cx=\"\(f(x(place)))\" cy=\"\(f(y(figure.value)))\" r=\"3\" "
        text += "fill=\"\(colour(index))\"/>\n"
      }
      guard !path.isEmpty else { continue }
      text += "<path d=\"\(path)\" fill=\"none\" stroke=\"\(colour(index))\" "
      text += "stroke-width=\"2\"/>\n"
    }
    return text
  }

  private func whisker(_ x: Double, _ figure: StudyPlot.Value) -> String {
    guard let interval = figure.interval, interval.lowerBound.isFinite,
      interval.upperBound.isFinite
    else { return "" }
    let (low, high) = (y(interval.lowerBound), y(interval.upperBound))
    return line(x, low, x, high, "#333") + line(x - 3, low, x + 3, low, "#333")
      + line(x - 3, high, x + 3, high, "#333")
  }

  private func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String
  ) -> String {
    "<line x1=\"\(f(x1))\" y1=\"\(f(y1))\" x2=\"\(f(x2))\" y2=\"\(f(y2))\" "
      + "stroke=\"\(colour)\"/>\n"
  }

  private func label(_ x: Double, _ y: Double, _ text: String, _ anchor: String) -> String {
    "<text x=\"\(f(x))\" y=\"\(f(y))\" text-anchor=\"\(anchor)\">\(escaped(text))</text>\n"
  }

  private func colour(_ index: Int) -> String { Self.colours[index % Self.colours.count] }

  private func f(_ value: Double) -> String { String(format: "%.1f", value) }

  private func number(_ value: Double) -> String { String(format: "%.4g", value) }
}
