import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2020", // Chrome 80: phones of 2020
    assetsInlineLimit: 0, // the content policy allows files, nothing inline
    modulePreload: { polyfill: false },
    emptyOutDir: true,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
