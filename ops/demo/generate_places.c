/*
 * Where the members of an office live: cities with their real postcode ranges and the language
 * spoken there, and street names per language. A city has a row per language in which its
 * inhabitants write its name.
 */
#include "generate.h"

/* Rows of a unit stand together; the first row of an office is its city. */
const struct place places[] = {
    {"AT", "Wien", "Wien", CULTURE_DE, 1010, 10, 23, 90},
    {"AT", "Wien", "Klosterneuburg", CULTURE_DE, 3400, 1, 1, 5},
    {"AT", "Wien", "Mödling", CULTURE_DE, 2340, 1, 1, 5},
    {"AT", "Graz", "Graz", CULTURE_DE, 8010, 10, 5, 90},
    {"AT", "Graz", "Leibnitz", CULTURE_DE, 8430, 1, 1, 10},
    {"AT", "Linz", "Linz", CULTURE_DE, 4020, 10, 3, 80},
    {"AT", "Linz", "Wels", CULTURE_DE, 4600, 1, 1, 20},

    {"BE", "Brussel", "Bruxelles", CULTURE_FR, 1000, 1000, 1, 16},
    {"BE", "Brussel", "Schaerbeek", CULTURE_FR, 1030, 1, 1, 11},
    {"BE", "Brussel", "Ixelles", CULTURE_FR, 1050, 1, 1, 13},
    {"BE", "Brussel", "Saint-Gilles", CULTURE_FR, 1060, 1, 1, 14},
    {"BE", "Brussel", "Anderlecht", CULTURE_FR, 1070, 1, 1, 5},
    {"BE", "Brussel", "Molenbeek-Saint-Jean", CULTURE_FR, 1080, 1, 1, 5},
    {"BE", "Brussel", "Forest", CULTURE_FR, 1190, 1, 1, 7},
    {"BE", "Brussel", "Brussel", CULTURE_NL, 1000, 1000, 1, 8},
    {"BE", "Brussel", "Schaarbeek", CULTURE_NL, 1030, 1, 1, 5},
    {"BE", "Brussel", "Elsene", CULTURE_NL, 1050, 1, 1, 4},
    {"BE", "Brussel", "Leuven", CULTURE_NL, 3000, 1, 2, 7},
    {"BE", "Brussel", "Wavre", CULTURE_FR, 1300, 1, 1, 5},
    {"BE", "Antwerpen", "Antwerpen", CULTURE_NL, 2000, 10, 7, 70},
    {"BE", "Antwerpen", "Mechelen", CULTURE_NL, 2800, 1, 2, 18},
    {"BE", "Antwerpen", "Turnhout", CULTURE_NL, 2300, 1, 1, 12},
    {"BE", "Gent", "Gent", CULTURE_NL, 9000, 1, 1, 70},
    {"BE", "Gent", "Gentbrugge", CULTURE_NL, 9050, 1, 1, 15},
    {"BE", "Gent", "Aalst", CULTURE_NL, 9300, 1, 1, 15},
    {"BE", "Luik", "Liège", CULTURE_FR, 4000, 10, 4, 70},
    {"BE", "Luik", "Seraing", CULTURE_FR, 4100, 1, 3, 12},
    {"BE", "Luik", "Verviers", CULTURE_FR, 4800, 1, 3, 18},
    {"BE", "Charleroi", "Charleroi", CULTURE_FR, 6000, 1, 2, 75},
    {"BE", "Charleroi", "Thuin", CULTURE_FR, 6530, 1, 2, 25},
    {"BE", "Namen", "Namur", CULTURE_FR, 5000, 1, 5, 80},
    {"BE", "Namen", "Dinant", CULTURE_FR, 5500, 1, 5, 20},
    {"BE", "Bergen", "Mons", CULTURE_FR, 7000, 10, 4, 70},
    {"BE", "Bergen", "Tournai", CULTURE_FR, 7500, 1, 5, 30},
    {"BE", "Kortrijk", "Kortrijk", CULTURE_NL, 8500, 1, 2, 70},
    {"BE", "Kortrijk", "Roeselare", CULTURE_NL, 8800, 1, 1, 30},
    {"BE", "Eupen", "Eupen", CULTURE_DE, 4700, 1, 2, 75},
    {"BE", "Eupen", "Sankt Vith", CULTURE_DE, 4780, 2, 2, 25},

    {"DE", "Berlin", "Berlin", CULTURE_DE, 10115, 2, 130, 92},
    {"DE", "Berlin", "Potsdam", CULTURE_DE, 14467, 2, 7, 8},
    {"DE", "Hamburg", "Hamburg", CULTURE_DE, 20095, 2, 120, 100},
    {"DE", "Köln", "Köln", CULTURE_DE, 50667, 2, 60, 80},
    {"DE", "Köln", "Düsseldorf", CULTURE_DE, 40210, 1, 20, 20},
    {"DE", "Leipzig", "Leipzig", CULTURE_DE, 4103, 2, 40, 100},
    {"DE", "München", "München", CULTURE_DE, 80331, 2, 60, 90},
    {"DE", "München", "Augsburg", CULTURE_DE, 86150, 1, 12, 10},

    {"ES", "Málaga", "Málaga", CULTURE_ES, 29001, 1, 18, 85},
    {"ES", "Málaga", "Marbella", CULTURE_ES, 29601, 1, 3, 15},
    {"ES", "Barcelona", "Barcelona", CULTURE_ES, 8001, 1, 42, 85},
    {"ES", "Barcelona", "L'Hospitalet de Llobregat", CULTURE_ES, 8901, 1, 8, 15},
    {"ES", "Madrid", "Madrid", CULTURE_ES, 28001, 1, 55, 90},
    {"ES", "Madrid", "Alcalá de Henares", CULTURE_ES, 28801, 1, 7, 10},
    {"ES", "Sevilla", "Sevilla", CULTURE_ES, 41001, 1, 20, 100},
    {"ES", "Donostia", "Donostia", CULTURE_EU, 20001, 1, 18, 60},
    {"ES", "Donostia", "San Sebastián", CULTURE_ES, 20001, 1, 18, 25},
    {"ES", "Donostia", "Tolosa", CULTURE_EU, 20400, 1, 1, 15},

    {"FR", "Lille", "Lille", CULTURE_FR, 59000, 800, 2, 60},
    {"FR", "Lille", "Roubaix", CULTURE_FR, 59100, 1, 1, 25},
    {"FR", "Lille", "Villeneuve-d'Ascq", CULTURE_FR, 59491, 1, 1, 15},
    {"FR", "Paris", "Paris", CULTURE_FR, 75001, 1, 20, 70},
    {"FR", "Paris", "Montreuil", CULTURE_FR, 93100, 1, 1, 18},
    {"FR", "Paris", "Saint-Denis", CULTURE_FR, 93200, 10, 2, 12},
    {"FR", "Lyon", "Lyon", CULTURE_FR, 69001, 1, 9, 80},
    {"FR", "Lyon", "Villeurbanne", CULTURE_FR, 69100, 1, 1, 20},
    {"FR", "Montpellier", "Montpellier", CULTURE_FR, 34000, 10, 10, 75},
    {"FR", "Montpellier", "Sète", CULTURE_FR, 34200, 1, 1, 25},
    {"FR", "Bordeaux", "Bordeaux", CULTURE_FR, 33000, 100, 2, 80},
    {"FR", "Bordeaux", "Bègles", CULTURE_FR, 33130, 1, 1, 20},
    {"FR", "Strasbourg", "Strasbourg", CULTURE_FR, 67000, 100, 3, 85},
    {"FR", "Strasbourg", "Sélestat", CULTURE_FR, 67600, 1, 1, 15},

    {"HU", "Budapest", "Budapest", CULTURE_HU, 1011, 10, 23, 90},
    {"HU", "Budapest", "Szentendre", CULTURE_HU, 2000, 1, 1, 10},
    {"HU", "Pécs", "Pécs", CULTURE_HU, 7621, 1, 14, 85},
    {"HU", "Pécs", "Komló", CULTURE_HU, 7300, 1, 1, 15},

    {"IT", "Milano", "Milano", CULTURE_IT, 20121, 1, 42, 85},
    {"IT", "Milano", "Monza", CULTURE_IT, 20900, 1, 1, 15},
    {"IT", "Roma", "Roma", CULTURE_IT, 118, 1, 80, 100},
    {"IT", "Bologna", "Bologna", CULTURE_IT, 40121, 1, 21, 85},
    {"IT", "Bologna", "Forlì", CULTURE_IT, 47121, 1, 2, 15},
    {"IT", "Torino", "Torino", CULTURE_IT, 10121, 1, 36, 100},

    {"NL", "Amsterdam", "Amsterdam", CULTURE_NL, 1011, 1, 99, 80},
    {"NL", "Amsterdam", "Haarlem", CULTURE_NL, 2011, 1, 26, 20},
    {"NL", "Rotterdam", "Rotterdam", CULTURE_NL, 3011, 1, 75, 80},
    {"NL", "Rotterdam", "'s-Gravenhage", CULTURE_NL, 2511, 1, 60, 20},
    {"NL", "Utrecht", "Utrecht", CULTURE_NL, 3511, 1, 40, 100},

    {"SE", "Stockholm", "Stockholm", CULTURE_SV, 11120, 1, 300, 90},
    {"SE", "Stockholm", "Södertälje", CULTURE_SV, 15132, 1, 40, 10},
    {"SE", "Göteborg", "Göteborg", CULTURE_SV, 41101, 1, 120, 85},
    {"SE", "Göteborg", "Borås", CULTURE_SV, 50330, 1, 20, 15},
    {"SE", "Malmö", "Malmö", CULTURE_SV, 21115, 1, 90, 80},
    {"SE", "Malmö", "Lund", CULTURE_SV, 22220, 1, 40, 20},
};

const uint32_t places_count = sizeof places / sizeof places[0];

const char *const culture_streets[CULTURES] = {
    [CULTURE_NL] = "Kerkstraat|Molenstraat|Dorpsstraat|Stationsstraat|Nieuwstraat|Veldstraat|"
                   "Schoolstraat|Beukenlaan|Lindelaan|Parklaan|Brugstraat|Oude Markt|Vismarkt|"
                   "Korenlei|Singel|Prinsengracht|Havenkade|Zandweg|Groene Wegel|'t Hofke|"
                   "Wilgenpad|Bloemstraat|Weversstraat|Kasteeldreef|Sint-Jansvest",
    [CULTURE_FR] = "rue de l'Église|rue Haute|rue des Tanneurs|avenue des Tilleuls|rue du Moulin|"
                   "boulevard de la Liberté|place du Marché|rue de la Gare|rue aux Laines|"
                   "chaussée d'Alsemberg|quai des Bateliers|rue Saint-Georges|rue de l'Abbaye|"
                   "impasse du Puits|avenue de la Couronne|rue Émile Zola|rue des Écoles|"
                   "rue du Général-Leclerc|allée des Érables|rue de la Paix|cours Victor-Hugo|"
                   "rue d'En-Bas|passage du Théâtre|rue Neuve|montée de la Côte",
    [CULTURE_DE] = "Hauptstraße|Bahnhofstraße|Gartenstraße|Lindenallee|Schulstraße|Mühlweg|"
                   "Am Markt|Kirchgasse|Goethestraße|Schillerplatz|Bergstraße|Waldweg|Uferstraße|"
                   "Rosenweg|Neue Gasse|Brückenstraße|Weserstraße|Fichtestraße|Ölmühlgasse|"
                   "Ringstraße|Sonnenallee|Am Südhang|Königsberger Weg|Zur Höhe|Eichendorffstraße",
    [CULTURE_IT] = "via Roma|via Garibaldi|corso Italia|via Dante Alighieri|piazza della Libertà|"
                   "via dell'Olmo|viale Monza|via San Donato|via Mazzini|via dei Mille|"
                   "via XX Settembre|vicolo del Forno|largo Augusto|via Giuseppe Verdi|"
                   "via dell'Università|corso Vittorio Emanuele II|via della Pergola|via Tiburtina|"
                   "via Sant'Agostino|via Po|viale dei Tigli|via delle Rose|lungotevere Testaccio|"
                   "piazza Duomo|via Cesare Battisti",
    [CULTURE_ES] = "calle Mayor|calle Real|avenida de la Constitución|plaza de España|"
                   "calle del Carmen|paseo de la Alameda|calle Ancha|calle San Juan|"
                   "calle de la Iglesia|carrer de Mallorca|carrer del Roser|calle Nueva|"
                   "ronda de Atocha|calle Larios|calle Cervantes|avenida de Andalucía|"
                   "calle de Alcalá|calle Feria|travesía del Pez|calle Peñuelas|camino de Suárez|"
                   "calle Sol|plaza del Ángel|calle Goya|cuesta del Rosario",
    [CULTURE_EU] = "Kale Nagusia|Askatasunaren etorbidea|San Martin kalea|Zabaleta kalea|"
                   "Easo kalea|Aldamar kalea|Prim kalea|Urbieta kalea|Konstituzio plaza|"
                   "Miraconcha pasealekua|Egia kalea|Bermingham kalea|Iztueta kalea|Ategorrieta",
    [CULTURE_HU] = "Petőfi Sándor utca|Kossuth Lajos utca|Rákóczi út|Széchenyi tér|Ady Endre utca|"
                   "József Attila utca|Dózsa György út|Béke utca|Váci út|Bartók Béla út|"
                   "Király utca|Dob utca|Jókai utca|Arany János utca|Fő utca|Szőlő utca|Akácfa utca|"
                   "Tölgyfa utca|Vörösmarty tér|Üllői út|Hársfa köz|Ötvös utca|Margit körút|"
                   "Zrínyi Miklós utca|Kertész utca",
    [CULTURE_SV] = "Storgatan|Kungsgatan|Drottninggatan|Vasagatan|Skolgatan|Kyrkogatan|Järnvägsgatan|"
                   "Åsögatan|Östra Hamngatan|Linnégatan|Björkvägen|Hornsgatan|Bergsgatan|"
                   "Ängsvägen|Götgatan|Södergatan|Möllevångsgatan|Nygatan|Parkvägen|Sjövägen|"
                   "Folkungagatan|Tallstigen|Odengatan|Öster Mälarstrand|Trädgårdsgatan",
    [CULTURE_OTHER] = "",
};
