@main
enum Blindspot { static func main() {} }
