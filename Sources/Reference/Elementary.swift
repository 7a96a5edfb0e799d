import Foundation

/// Canonical elementary functions on `Float`, the twins of `Kernels/common/elementary.clh`.
///
/// Each returns the same bits as its OpenCL namesake on every canonical device: range reduction,
/// then a polynomial by Horner's rule in fused multiply-adds, with no table and no call to the C
/// library. Largest errors against `Double`, in units in the last place of a `Float`: exp 1.1,
/// log 1.0, softplus 2.0, tanh 1.4, sigmoid 1.5, erf 1.1, sine and cosine 1.1, power 1.0.
/// Denormals are kept; every NaN returned has the bits `0x7fc00000`.
///
/// Sources: Cody and Waite 1980, Muller 2016 (range reduction), Tang 1990 (logarithm of the power).
public enum Elementary {
  /// 1.5 * 2^23: adding it rounds to the nearest integer, ties to even, which the sum's last bits
  /// then hold; nothing is converted from float to integer, so a NaN does no harm.
  private static let rounding: Float = 0x1.8p23
  private static let ln2: Float = 0x1.62e43p-1
  private static let ln2Low: Float = -0x1.05c61p-29
  private static let log2e: Float = 0x1.715476p+0
  private static let log2eLow: Float = 0x1.4ae0cp-26

  /// The exponential function: 0 below -103.97, infinity above 88.72.
  public static func exp(_ x: Float) -> Float {
    var c = x < -104 ? -104 : x
    c = c > 89 ? 89 : c
    return x.isNaN ? .nan : boundedExp(c)
  }

  /// The natural logarithm: minus infinity at both zeros, NaN below them.
  public static func log(_ x: Float) -> Float {
    guard x >= 0 else { return .nan }
    if x == 0 { return -.infinity }
    return x == .infinity ? x : positiveLog(x)
  }

  /// The softplus function log(1 + exp(x)), without overflow.
  public static func softplus(_ x: Float) -> Float {
    if x.isNaN { return .nan }
    let e = boundedExp(-(x.magnitude > 104 ? 104 : x.magnitude))
    let u = 1 + e
    let lost = e - (u - 1)
    return (x > 0 ? x : 0) + (positiveLog(u) + lost / u)
  }

  /// The hyperbolic tangent, odd to the bit.
  public static func tanh(_ x: Float) -> Float {
    if x.isNaN { return .nan }
    let magnitude = x.magnitude
    guard magnitude < 0.625 else {
      let c = magnitude > 10 ? 10 : magnitude
      let e = boundedExp(c + c)
      return signed(1 - 2 / (e + 1), like: x)
    }
    let s = magnitude * magnitude
    let p = polynomial(
      s, -0x1.750ce2p-8, 0x1.51f8cep-6, -0x1.b835a4p-5, 0x1.1106f6p-3, -0x1.555532p-2)
    return signed(fma(p * s, magnitude, magnitude), like: x)
  }

  /// The logistic function 1 / (1 + exp(-x)); small values keep their digits.
  public static func sigmoid(_ x: Float) -> Float {
    if x.isNaN { return .nan }
    let e = boundedExp(-(x.magnitude > 104 ? 104 : x.magnitude))
    let d = 1 + e
    let lost = e - (d - 1)
    let over = x < 0 ? e : 1
    let inverse = 1 / d
    let y = over * inverse
    return fma(fma(-y, lost, fma(-y, d, over)), inverse, y)
  }

  /// The error function, odd to the bit.
  public static func erf(_ x: Float) -> Float {
    if x.isNaN { return .nan }
    let magnitude = x.magnitude
    guard magnitude < 0.92 else {
      let c = magnitude > 4 ? 4 : magnitude
      let q = polynomial(
        c, -0x1.2f3622p-19, 0x1.2e8ceap-15, -0x1.dfe14cp-13, 0x1.21a744p-11, 0x1.c3739ap-10,
        -0x1.5aa594p-6, 0x1.aa637cp-4, 0x1.45b22cp-1, 0x1.0715eep-3)
      return signed(1 - boundedExp(-fma(q, c, c)), like: x)
    }
    let p = polynomial(
      magnitude * magnitude, 0x1.4f547ap-14, -0x1.a60684p-11, 0x1.5449e2p-8, -0x1.b80118p-6,
      0x1.ce2d64p-4, -0x1.812740p-2, 0x1.06eba8p-3)
    return signed(fma(p, magnitude, magnitude), like: x)
  }

  /// sin(πx) for |x| at most 2^20, NaN beyond.
  public static func sinPi(_ x: Float) -> Float {
    guard x.magnitude <= 0x1p20 else { return .nan }
    let (quadrant, sine, cosine) = quarterTurn(x)
    let y = quadrant & 1 != 0 ? cosine : sine
    return Float(bitPattern: y.bitPattern ^ ((quadrant & 2) << 30))
  }

  /// cos(πx) for |x| at most 2^20, NaN beyond.
  public static func cosPi(_ x: Float) -> Float {
    guard x.magnitude <= 0x1p20 else { return .nan }
    let (quadrant, sine, cosine) = quarterTurn(x)
    let y = quadrant & 1 != 0 ? sine : cosine
    return Float(bitPattern: y.bitPattern ^ (((quadrant &+ 1) & 2) << 30))
  }

  /// The power of a base that is not negative, 2^(exponent * log2(base)).
  ///
  /// The logarithm and the product are sums of two floats, so the error stays below 1 unit in the
  /// last place. base^0 is 1 for every base; 0 and infinity have their limits; a negative base, NaN
  /// and 1 to an infinite power give NaN.
  public static func power(_ base: Float, _ exponent: Float) -> Float {
    guard base >= 0, !exponent.isNaN else { return .nan }
    if exponent == 0 { return 1 }
    if base == .infinity { return exponent > 0 ? .infinity : 0 }
    if base == 0 { return exponent > 0 ? 0 : .infinity }
    let (n, f) = splitPositive(base)
    let d = 2 + f
    let dLow = f - (d - 2)
    let s = f / d
    let sLow = fma(-s, dLow, fma(-s, d, f)) / d
    let s2 = s * s
    let p = polynomial(s2, 0x1.ee9f4ep-3, 0x1.23e044p-2, 0x1.999c0cp-2, 0x1.555554p-1)
    let high = s + s
    var low = fma(p * s2, s, sLow + sLow)
    let sum = high + low
    low = (high - sum) + low
    let product = sum * log2e
    let rest = fma(sum, log2e, -product) + fma(sum, log2eLow, low * log2e)
    let logarithm = n + product
    let logarithmLow = ((n - logarithm) + product) + rest
    var q = exponent * logarithm
    if q.isNaN { return .nan }
    var qLow = fma(exponent, logarithm, -q) + exponent * logarithmLow
    if q.magnitude > 200 {
      q = q > 0 ? 200 : -200
      qLow = 0
    }
    let t = q + rounding
    let g = (q - (t - rounding)) + qLow
    let e = polynomial(
      g, 0x1.4172bap-13, 0x1.5f0978p-10, 0x1.3b2ddap-7, 0x1.c6af7ap-5, 0x1.ebfbdcp-3,
      0x1.62e43p-1, 1)
    return scale(e, by: integer(t))
  }

  private static func fma(_ a: Float, _ b: Float, _ c: Float) -> Float { c.addingProduct(a, b) }

  /// Horner's rule, highest power first.
  private static func polynomial(_ x: Float, _ coefficients: Float...) -> Float {
    var p = coefficients[0]
    for coefficient in coefficients.dropFirst() { p = fma(p, x, coefficient) }
    return p
  }

  private static func signed(_ magnitude: Float, like x: Float) -> Float {
    Float(bitPattern: magnitude.bitPattern | (x.bitPattern & 0x8000_0000))
  }

  /// The integer that was rounded to in `t`, the sum with `rounding`.
  private static func integer(_ t: Float) -> Int32 {
    Int32(bitPattern: t.bitPattern) &- Int32(bitPattern: rounding.bitPattern)
  }

  /// 2^n p for n in -252...252, in one exact step and one that may round to a denormal.
  private static func scale(_ p: Float, by n: Int32) -> Float {
    let half = n >> 1
    let rest = n &- half
    let first = Float(bitPattern: UInt32(bitPattern: half &+ 127) << 23)
    let second = Float(bitPattern: UInt32(bitPattern: rest &+ 127) << 23)
    return (p * first) * second
  }

  /// exp(x) for -104 <= x <= 89: x = n ln 2 + f, then 1 + (f + f^2 P(f)).
  private static func boundedExp(_ x: Float) -> Float {
    let t = fma(x, log2e, rounding)
    let n = t - rounding
    var f = fma(n, -ln2, x)
    f = fma(n, -ln2Low, f)
    let p = polynomial(
      f, 0x1.6a4d6p-10, 0x1.12398ep-7, 0x1.5558bp-5, 0x1.555492p-3, 0x1.fffffcp-2)
    return scale(fma(p, f * f, f) + 1, by: integer(t))
  }

  /// x = 2^n (1 + f) with 2/3 <= 1 + f < 4/3, exactly, for a positive finite x.
  private static func splitPositive(_ x: Float) -> (n: Float, f: Float) {
    let tiny = x < 0x1p-126
    let scaled = tiny ? x * 0x1p23 : x
    let power = (scaled.bitPattern &- 0x3f2a_aaab) & 0xff80_0000
    let f = Float(bitPattern: scaled.bitPattern &- power) - 1
    return (Float(Int32(bitPattern: power) >> 23) + (tiny ? -23 : 0), f)
  }

  /// log(x) for a positive finite x: n ln 2 + f + f^2 P(f).
  private static func positiveLog(_ x: Float) -> Float {
    let (n, f) = splitPositive(x)
    let p = polynomial(
      f, -0x1.07c878p-3, 0x1.1e678cp-3, -0x1.f332fep-4, 0x1.1ed662p-3, -0x1.559c44p-3,
      0x1.99d044p-3, -0x1.fffefcp-3, 0x1.555506p-2, -0.5)
    return fma(n, ln2, fma(p, f * f, f))
  }

  /// The quadrant in the last two bits, and sine and cosine of the remainder, |r| <= 1/4.
  private static func quarterTurn(_ x: Float) -> (quadrant: UInt32, sine: Float, cosine: Float) {
    let t = fma(x, 2, rounding)
    let r = fma(t - rounding, -0.5, x)
    let s = r * r
    let p = polynomial(s, -0x1.2da156p-1, 0x1.465eeap+1, -0x1.4abbbap+2, -0x1.a325a8p-24)
    let q = polynomial(s, 0x1.d4f47ap-3, -0x1.55b2b2p+0, 0x1.03c1bp+2, -0x1.3bd3ccp+2)
    return (t.bitPattern, fma(r, 0x1.921fb6p+1, r * p), fma(q, s, 1))
  }
}

/// The canonical functions in single precision.
extension Float {
  /// ``Elementary/exp(_:)``.
  public static func canonicalExp(_ x: Float) -> Float { Elementary.exp(x) }
  /// ``Elementary/log(_:)``.
  public static func canonicalLog(_ x: Float) -> Float { Elementary.log(x) }
  /// ``Elementary/softplus(_:)``.
  public static func canonicalSoftplus(_ x: Float) -> Float { Elementary.softplus(x) }
  /// ``Elementary/tanh(_:)``.
  public static func canonicalTanh(_ x: Float) -> Float { Elementary.tanh(x) }
  /// ``Elementary/sigmoid(_:)``.
  public static func canonicalSigmoid(_ x: Float) -> Float { Elementary.sigmoid(x) }
  /// ``Elementary/erf(_:)``.
  public static func canonicalErf(_ x: Float) -> Float { Elementary.erf(x) }
  /// ``Elementary/power(_:_:)``.
  public static func canonicalPower(_ base: Float, _ exponent: Float) -> Float {
    Elementary.power(base, exponent)
  }
}

/// The same functions in double precision, by the C library: they judge the error of the first.
extension Double {
  /// The exponential function.
  public static func canonicalExp(_ x: Double) -> Double { exp(x) }
  /// The natural logarithm.
  public static func canonicalLog(_ x: Double) -> Double { log(x) }
  /// The softplus function log(1 + exp(x)).
  public static func canonicalSoftplus(_ x: Double) -> Double {
    x.isNaN ? x : max(x, 0) + log1p(exp(-x.magnitude))
  }
  /// The hyperbolic tangent.
  public static func canonicalTanh(_ x: Double) -> Double { tanh(x) }
  /// The logistic function 1 / (1 + exp(-x)).
  public static func canonicalSigmoid(_ x: Double) -> Double {
    let e = exp(-x.magnitude)
    return (x < 0 ? e : 1) / (1 + e)
  }
  /// The error function.
  public static func canonicalErf(_ x: Double) -> Double { erf(x) }
  /// The power of a base that is not negative; otherwise, and for 1 to an infinite power, NaN.
  public static func canonicalPower(_ base: Double, _ exponent: Double) -> Double {
    guard base >= 0, !exponent.isNaN, !(base == 1 && exponent.isInfinite) else { return .nan }
    return pow(base.magnitude, exponent)
  }
}
