// Prints the people of pymafx-live and draws their heads and pelvises.
//
// Debian: apt-get install g++ cppzmq-dev libmsgpack-cxx-dev
// g++ -std=c++17 -O2 -DMSGPACK_NO_BOOST subscriber.cpp -o subscriber -lzmq
// ./subscriber tcp://127.0.0.1:5555 last.ppm

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <msgpack.hpp>
#include <string>
#include <vector>
#include <zmq.hpp>

using Map = std::map<std::string, msgpack::object>;
using Point = std::array<double, 3>;
constexpr int kShoulder = 16, kElbow = 18, kWrist = 20, kHead = 15;  // left ones; docs/skeleton.md has them all

Point minus(const Point& a, const Point& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

double dot(const Point& a, const Point& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// Degrees between two vectors.
double angle(const Point& a, const Point& b) {
  const double cosine = dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
  return std::acos(std::clamp(cosine, -1.0, 1.0)) * 180 / std::acos(-1.0);
}

template <typename... Numbers>
std::string text(const char* format, Numbers... numbers) {
  char buffer[200];
  std::snprintf(buffer, sizeof buffer, format, numbers...);
  return buffer;
}

struct Picture {
  int width, height;
  double fx, fy, cx, cy;
  std::vector<unsigned char> pixels;

  explicit Picture(Map camera)
      : width(camera.at("width").as<int>()),
        height(camera.at("height").as<int>()),
        fx(camera.at("fx").as<double>()),
        fy(camera.at("fy").as<double>()),
        cx(camera.at("cx").as<double>()),
        cy(camera.at("cy").as<double>()),
        pixels(3 * static_cast<std::size_t>(width) * height) {}

  // A disc of nine pixels where a point of the camera's frame is seen; lens distortion is left out.
  void dot(const Point& point, std::array<unsigned char, 3> colour) {
    if (point[2] <= 0) return;
    const int column = static_cast<int>(std::floor(fx * point[0] / point[2] + cx + 0.5));
    const int row = static_cast<int>(std::floor(fy * point[1] / point[2] + cy + 0.5));
    for (int v = std::max(row - 4, 0); v < std::min(row + 5, height); ++v)
      for (int u = std::max(column - 4, 0); u < std::min(column + 5, width); ++u)
        if ((u - column) * (u - column) + (v - row) * (v - row) <= 16)
          std::copy(colour.begin(), colour.end(), pixels.begin() + 3 * (static_cast<std::size_t>(v) * width + u));
  }

  void write(const std::string& file) const {
    std::ofstream out(file, std::ios::binary);
    out << "P6 " << width << ' ' << height << " 255\n";
    out.write(reinterpret_cast<const char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
  }
};

// One person as text, drawn into the picture. What is not there prints as a dash.
std::string described(const Map& person, Picture& picture) {
  std::string place = "-", elbow = "-", measured;
  const auto parts = person.at("parts").as<std::map<std::string, Map>>();  // in the order of their names
  const auto pelvis = person.at("pelvis").as<Point>();
  if (parts.at("transl").count("measured_at"))  // or else the zeros mean nothing
    place = text("%.3f %.3f %.3f", pelvis[0], pelvis[1], pelvis[2]);
  if (person.count("joints")) {
    const auto joints = person.at("joints").as<std::vector<Point>>();
    elbow = text("%.1f", angle(minus(joints[kElbow], joints[kShoulder]), minus(joints[kWrist], joints[kElbow])));
    picture.dot(joints[kHead], {255, 255, 255});
    picture.dot(pelvis, {0, 255, 0});
  }
  for (const auto& [name, part] : parts)
    if (part.at("origin").as<std::string>() == "measured") measured += (measured.empty() ? "" : ",") + name;
  return std::to_string(person.at("id").as<long long>()) + ' ' + person.at("state").as<std::string>() + " at " + place +
         " elbow " + elbow + " measured " + (measured.empty() ? "-" : measured);
}

int main(int count, char** arguments) {
  if (count != 3) return std::cerr << "usage: subscriber ADDRESS PICTURE.ppm\n", 2;
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::sub);
  socket.connect(arguments[1]);
  socket.set(zmq::sockopt::subscribe, "smplx/");
  socket.set(zmq::sockopt::subscribe, "status/");
  // Reads until a source has ended. (To act on the newest only, set conflate and subscribe to one source.)
  while (true) {
    zmq::message_t message;
    if (!socket.recv(message)) continue;
    const std::string bytes = message.to_string();
    const std::size_t end = bytes.find('\0');
    const auto unpacked = msgpack::unpack(bytes.data() + end + 1, bytes.size() - end - 1);
    const auto content = unpacked.get().as<Map>();
    const auto source = content.at("source").as<std::string>();
    if (content.at("version").as<int>() != 1) return std::cerr << "this version is not known here\n", 1;
    if (bytes.compare(0, 7, "status/") == 0) {
      const auto state = content.at("state").as<std::string>(), reason = content.at("reason").as<std::string>();
      std::cout << source << " is " << state << (reason.empty() ? "" : " ") << reason << std::endl;
      if (state == "ended" || state == "failed") return 0;
      continue;
    }
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    Picture picture(content.at("camera").as<Map>());
    std::string people;
    for (const auto& person : content.at("people").as<std::vector<Map>>())
      people += (people.empty() ? "" : "; ") + described(person, picture);
    std::cout << source << " #" << content.at("sequence").as<long long>()
              << text(" age %.3f s: ", now.count() - content.at("captured_at").as<double>())
              << (people.empty() ? "nobody" : people) << std::endl;
    if (!people.empty()) picture.write(arguments[2]);
  }
}
